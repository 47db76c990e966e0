"""`kernelq dev`: the worker for developing."""
