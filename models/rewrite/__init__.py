"""A network's own computation, rewritten so that XLA's CPU backend runs its gradients fast."""
