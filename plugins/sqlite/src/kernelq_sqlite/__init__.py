"""The embedded broker and result store of KernelQ: one SQLite file, no server."""
