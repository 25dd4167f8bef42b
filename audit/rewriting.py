"""The network in the form whose gradients are faster here, chosen by measure once and then remembered."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from audit.digests import of_json, software, source_digest
from audit.kept import Kept
from audit.store import write_bytes
from models.network import Network
from models.rewrite.choose import Choice, faster, retaken

NOTE = (
    "convolutions and pooling rewritten for a CPU's gradients ({convolutions} and {pools}); outputs and gradients "
    "compared with the network's own"
)


def chosen(
    network: Network, x: Any, asked: bool | None, of: Sequence[Any], kept: Kept | None
) -> tuple[Network, Choice]:
    """Return the network to run and the choice; `of` is what the network is made from, x some rows for it.

    A choice by measure is kept, so that equal runs on one machine compute equal numbers.
    """
    cores = os.cpu_count()
    key = f"rewrite-{of_json([*of, software(), source_digest(), _processor(), cores, jax.default_backend()])}"
    folder = kept.folder_of(key) if kept and asked is None else None
    if folder is not None:
        choice = Choice(**json.loads((folder / "choice.json").read_text()))
        return retaken(network, choice), choice
    network, choice = faster(network, x, rewrite=asked)

    def fill(place: Path) -> None:
        write_bytes(place / "choice.json", json.dumps(dataclasses.asdict(choice)).encode())

    if kept and asked is None:
        kept.keep_folder(key, fill)
    return network, choice


def notes(choice: Choice | None) -> tuple[str, ...]:
    """Return what the record's model block says of the choice: nothing where the network runs as it is."""
    if choice is None or not choice.used:
        return ()
    return (NOTE.format(convolutions=choice.convolutions, pools=choice.pools),)


def measured(choice: Choice | None) -> dict[str, str]:
    """Return what measuring said, for the record's volatile block."""
    if choice is None or not choice.convolutions + choice.pools:
        return {}
    if choice.before_ms is None or choice.after_ms is None:
        return {"rewriting": choice.reason}
    times = f"{choice.before_ms:.3g} ms a row's gradient before, {choice.after_ms:.3g} ms after"
    return {"rewriting": f"{choice.reason} Measured: {times}."}


def _processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
