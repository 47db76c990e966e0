"""The standard strategies of KernelQ: what becomes of a delivery."""
