"""Whatever may come in from outside, made up at random: over AMQP and over HTTP."""
