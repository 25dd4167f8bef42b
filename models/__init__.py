"""Flax NNX networks and the optax loop that trains them; they do not know that they are audited."""
