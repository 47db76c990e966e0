"""The microkernel: steps, blueprints, plans, hooks and settings. It knows no broker, no task and no worker."""
