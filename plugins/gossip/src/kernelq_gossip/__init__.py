"""Workers that know each other: Mingle, Gossip and elections, as Celery's workers do it."""
