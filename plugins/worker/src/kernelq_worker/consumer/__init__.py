"""The standard steps of the blueprint `consumer`, which starts anew with each connection."""
