"""What a running worker or shim answers a monitoring system: metrics, liveness, readiness. Not on the public port."""
