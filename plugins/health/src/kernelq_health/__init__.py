"""Tells whether a KernelQ worker lives and consumes."""
