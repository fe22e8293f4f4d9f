"""RabbitMQ through aio-pika, which each opening of a connection makes ready first (`worker.bus.amqp.connection`)."""
