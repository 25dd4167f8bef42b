"""As many JAX devices as this process has processors, so that each works on rows of its own."""

from __future__ import annotations

import contextlib
import os

import jax

MOST = 8  # devices; XLA shares what processors are left among them
FLAG = "xla_force_host_platform_device_count"


def share() -> None:
    """Make each processor a device, unless JAX has begun or was told how many there are; GPUs are not touched.

    XLA runs small batches of a network on little more than one processor, however many a device has.
    """
    told = FLAG in os.environ.get("XLA_FLAGS", "") or getattr(jax.config, "jax_num_cpu_devices", -1) > 0
    if not told:
        with contextlib.suppress(RuntimeError, AttributeError):  # begun already; a JAX that can't
            jax.config.update("jax_num_cpu_devices", min(count(), MOST))


def count() -> int:
    """Return how many processors this process may use."""
    own = getattr(os, "sched_getaffinity", None)
    return len(own(0)) if own else os.cpu_count() or 1
