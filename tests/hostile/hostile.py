"""A row of the tables of hostile and honest audits: what is handed over, and the exit code that it must give."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import audit


@dataclass(frozen=True)
class Case:
    """One attempt: `attempt(folder)` makes its files in an empty folder, audits, and returns the exit code.

    exit: the code that it must give; says: text that the record's decisions or the error's one line must hold.
    """

    name: str
    exit: int
    attempt: Callable[[Path], tuple[int, str]]
    says: str = ""


def run(config: Any, folder: Path, **given: Any) -> tuple[int, str]:
    """Return the exit code of an audit in this process, and what it said: the error's line or the decisions' reasons.

    config: a mapping or a YAML file; given: data=, model=.
    """
    try:
        record = audit.run(config, out=folder / "runs", reuse=False, **given)
    except audit.AuditError as error:
        return 2, str(error)
    return record.exit_code, " ".join(decision.reason for decision in record.decisions)


def command(folder: Path, *arguments: str, apart: bool = False, **environment: str) -> tuple[int, str]:
    """Return the exit code of `python -m audit ARGUMENTS` in the folder, and what it printed.

    apart: on standard output alone.
    """
    done = subprocess.run(
        [sys.executable, "-P", "-m", "audit", *arguments],
        cwd=folder,
        env={**os.environ, "JAX_PLATFORMS": "cpu", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + ("" if apart else done.stderr)
