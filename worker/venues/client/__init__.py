"""The way to a venue: signing, sending, reading the answer, without a secret in a log."""
