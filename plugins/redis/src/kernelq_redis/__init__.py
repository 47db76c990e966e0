"""Redis as a KernelQ broker and result store, in Celery's layout."""
