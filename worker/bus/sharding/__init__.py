"""Splitting the commands of an operation over queues, and the queues over workers."""
