"""What a broker is given: a node of our own, policies, users and their permissions."""
