"""A KernelQ plugin of your own: a step, a hook, a control command and a pool."""
