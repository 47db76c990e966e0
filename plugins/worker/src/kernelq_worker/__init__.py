"""The worker of KernelQ: its blueprints' standard steps and the host supervisor."""
