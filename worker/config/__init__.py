"""What a deployment says: settings, addresses, certificates."""
