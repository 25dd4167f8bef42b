"""Attacks tried on test rows: what is attacked, what counts, the numbers and tables that come of it."""
