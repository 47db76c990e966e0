"""The distribution kernelq-sqlite."""

from __future__ import annotations

from kernelq_testkit.package import PackageConformance


class TestPackage(PackageConformance):
    distribution = "kernelq-sqlite"
