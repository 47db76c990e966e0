"""The command `kernelq events`."""
