"""The contracts of plugins, one file each; the docstring of a contract is its author's guide."""
