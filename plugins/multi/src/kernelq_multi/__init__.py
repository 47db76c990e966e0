"""Starts, stops and restarts several KernelQ workers of one machine; `kernelq multi`."""
