"""A live view of a cluster in the terminal."""
