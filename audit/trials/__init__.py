"""Attacks and changes tried on test rows: what is tried, what counts, the numbers and tables that come of it."""
