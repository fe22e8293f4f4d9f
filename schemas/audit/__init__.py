"""What stands in the audit, and the chain that proves it whole."""
