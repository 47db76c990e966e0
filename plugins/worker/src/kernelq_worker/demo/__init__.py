"""`kernelq demo`: a worker, a few thousand real tasks, a killed host, and every result."""
