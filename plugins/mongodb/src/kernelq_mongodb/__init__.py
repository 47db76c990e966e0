"""Results in MongoDB, in the collection that Celery uses."""
