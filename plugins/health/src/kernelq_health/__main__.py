"""``python -m kernelq_health`` is `kernelq-health`, where its script is not on the path."""

from kernelq_health.probe import main

main()
