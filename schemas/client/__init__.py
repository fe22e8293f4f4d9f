"""A client of Perps DMA over AMQP: `PerpsDma`, and the same blocking. Needs pydantic and aio-pika alone."""
