"""HTTP as the shim serves it, within bounds."""
