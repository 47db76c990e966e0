"""Results in a SQL database, in the tables that Celery uses."""
