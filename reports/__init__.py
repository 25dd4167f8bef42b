"""Record to bytes: one file per format (no JAX)."""
