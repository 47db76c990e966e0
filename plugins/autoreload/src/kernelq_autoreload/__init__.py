"""Loads changed task modules into fresh hosts of a KernelQ worker; `kernelq dev`."""
