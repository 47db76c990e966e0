"""The command line: the root command, and core's own sub-commands, each found by entry point like a plugin's."""
