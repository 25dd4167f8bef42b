"""Responsible-AI audits of JAX/Flax models, judged on intervals."""
