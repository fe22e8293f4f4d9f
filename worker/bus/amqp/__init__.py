"""AMQP as this program speaks it: connections, messages in and out, exchanges and queues, who sends."""
