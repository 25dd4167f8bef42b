"""Summaries to estimates: intervals, bounds, power (NumPy and SciPy, no JAX)."""
