"""Exchange accounts: the registry that names them, their sealed credentials, their networks."""
