"""RabbitMQ as a KernelQ broker."""
