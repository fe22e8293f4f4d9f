"""RabbitMQ through aio-pika, which reads every message from here on."""

from worker.bus.legibility import read_everything

read_everything()
