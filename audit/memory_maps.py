"""Compiled code holds memory maps, and Linux ends a process that asks for more than it grants (65,530)."""

from __future__ import annotations

from pathlib import Path

import jax

FULL = 0.5  # of the maps granted; one check adds some thousands
LIMIT, HELD = Path("/proc/sys/vm/max_map_count"), Path("/proc/self/maps")


def make_room() -> bool:
    """Drop all compiled code where this process holds over half of the maps granted; return whether it did.

    XLA's CPU code takes several maps a kernel, so that a session of many audits would end in a segmentation
    fault. What is needed again is compiled again. Where the system does not say, nothing is dropped.
    """
    try:
        granted, held = int(LIMIT.read_text()), HELD.read_bytes().count(b"\n")
    except (OSError, ValueError):
        return False
    if held <= FULL * granted:
        return False
    jax.clear_caches()
    return True
