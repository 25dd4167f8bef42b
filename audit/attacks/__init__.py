"""Attacks: pure jitted functions, usable as a library."""
