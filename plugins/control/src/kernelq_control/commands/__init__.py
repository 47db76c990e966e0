"""The standard commands, a file for each theme."""
