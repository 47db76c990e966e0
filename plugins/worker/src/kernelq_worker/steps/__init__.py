"""The standard steps of the blueprint `worker`."""
