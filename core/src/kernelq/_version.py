"""The version of every KernelQ distribution; they are released in lockstep."""

__version__ = "0.1.0"
