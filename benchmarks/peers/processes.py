"""The peers' processes: which answer, and one attack asked of one of them."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.children import LIMIT, PeerFailed
from benchmarks.peers.victims import Victim, logits, weights

ROOT = Path(__file__).parents[2]
PEERS = ("torchattacks", "foolbox", "art")


def peers_here(python: str | None) -> dict[str, dict[str, Any]]:
    """Return each peer that answers: its version and attacks; say in one line why another one does not."""
    found = {}
    for peer in PEERS:
        try:
            found[peer] = json.loads(_run(python, peer).splitlines()[-1])
        except PeerFailed as error:
            print(error, flush=True)
    return found


def ask(python: str, peer: str, v: Victim, how: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the inputs[seeds, n, ...] a peer's process hands back, and what they took; PeerFailed otherwise.

    how: attack, norm, eps, seeds (how many), threads.
    """
    given = {f"weights/{name}": array for name, array in weights(v.network.params).items()}
    given |= {"x": v.x, "y": v.y, "logits": logits(v.network, v.x), "how": np.asarray(json.dumps(how))}
    with tempfile.TemporaryDirectory() as folder:
        job, answer = Path(folder) / "job.npz", Path(folder) / "answer.npz"
        np.savez(job, allow_pickle=False, **given)
        _run(python, peer, str(job), str(answer))
        with np.load(answer) as file:
            return file["x"], {**json.loads(str(file["cost"])), "wrong": int(file["wrong"].sum())}


def _run(python: str | None, peer: str, *files: str) -> str:
    """Return what a peer's process prints."""
    if python is None:
        raise PeerFailed(f"{peer}: not run: no --peers-python")
    command = [python, "-m", f"benchmarks.peers.run_{peer}", *files]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT)
    except OSError as error:
        raise PeerFailed(f"{peer}: not run: --peers-python {python}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise PeerFailed(f"{peer}: not run: longer than {LIMIT} s") from None
    if done.returncode:
        raise PeerFailed(f"{peer}: not run: {(done.stderr.strip() or 'no message').splitlines()[-1]}")
    return done.stdout
