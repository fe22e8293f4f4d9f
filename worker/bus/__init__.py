"""RabbitMQ through aio-pika, which reads every message from here on, and hands ours over as they are."""

from worker.bus.amqp.incoming import take_directly
from worker.bus.amqp.tolerant_decoding import read_everything

read_everything()
take_directly()
