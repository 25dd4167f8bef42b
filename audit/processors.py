"""As many JAX devices as this process has processors, so that each works on rows of its own."""

from __future__ import annotations

import contextlib
import os

import jax
from joblib import cpu_count

MOST = 8  # devices; XLA shares what processors are left among them
FLAG = "xla_force_host_platform_device_count"


def share() -> None:
    """Make each processor a device, unless JAX has begun or was told how many there are; GPUs are not touched.

    XLA runs small batches of a network on little more than one processor, however many a device has. A container's
    share of the processors and the process's own affinity are kept to.
    """
    told = FLAG in os.environ.get("XLA_FLAGS", "") or getattr(jax.config, "jax_num_cpu_devices", -1) > 0
    if not told:
        with contextlib.suppress(RuntimeError):  # JAX has begun
            jax.config.update("jax_num_cpu_devices", min(cpu_count(), MOST))
