"""Tells monitors what a KernelQ worker and its tasks do, as Celery's events."""
