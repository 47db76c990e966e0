"""The remote-control step of KernelQ and its standard inspect and control commands."""
