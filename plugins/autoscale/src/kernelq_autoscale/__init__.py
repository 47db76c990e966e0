"""Grows and shrinks the pool of a KernelQ worker with its load."""
