"""Events: what workers and senders tell the cluster, and those who watch (celery/events)."""
