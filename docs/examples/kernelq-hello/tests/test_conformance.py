"""Each piece of kernelq-hello against the contract of its kind."""

from __future__ import annotations

import pytest

from kernelq.keys import APP
from kernelq_hello.command import hello
from kernelq_hello.greeter import GREETING, Greeter, Greeting
from kernelq_hello.pool import OneByOne
from kernelq_hello.settings import HelloSettings
from kernelq_testkit import ControlCommandConformance, PackageConformance, PoolConformance, StepConformance


class TestPackage(PackageConformance):
    distribution = "kernelq-hello"


class TestGreeter(StepConformance):
    @pytest.fixture
    def step(self):
        return Greeter

    @pytest.fixture
    def values(self, kernelq_app):
        return {APP: kernelq_app}


class TestHello(ControlCommandConformance):
    @pytest.fixture
    def command(self):
        return hello

    @pytest.fixture
    def arguments(self):
        return {"loud": True}

    @pytest.fixture
    def values(self):
        return {GREETING: Greeting("you")}


class TestPool(PoolConformance):
    @pytest.fixture
    def pool(self):
        return OneByOne()


def test_an_empty_name_switches_the_greeter_off(kernelq_app):
    """The reason is given in words, for `steps graph`."""
    kernelq_app.conf.section(HelloSettings)
    kernelq_app.conf.hello_name = ""
    assert Greeter.enabled(kernelq_app.conf) == "off: hello_name is empty"
