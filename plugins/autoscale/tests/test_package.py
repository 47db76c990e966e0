"""The distribution kernelq-autoscale."""

from __future__ import annotations

from kernelq_testkit.package import PackageConformance


class TestPackage(PackageConformance):
    distribution = "kernelq-autoscale"
