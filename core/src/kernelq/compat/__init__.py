"""What other programs of Celery's world import to work with a KernelQ app."""
