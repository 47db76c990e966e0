"""``python -m kernelq`` is the command `kernelq`, where its script is not on the path."""

from kernelq.cli.main import main

main()
