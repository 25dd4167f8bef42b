"""Parameters to and from a folder: Orbax arrays beside their digest, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np

from models.network import problem

ARRAYS, DIGEST = "arrays", "digest.json"
WRITTEN_BY_ORBAX = ("_METADATA", "_CHECKPOINT_METADATA")
PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth")
Leaves = dict[tuple[str, ...], np.ndarray]


def digest(params: Any) -> str:
    """Return the SHA-256 of every leaf's path, dtype, shape and bytes, in order of path."""
    sha = hashlib.sha256()
    for path, leaf in sorted(_leaves(params).items()):
        little = np.ascontiguousarray(leaf.astype(leaf.dtype.newbyteorder("<")))
        sha.update(json.dumps([path, leaf.dtype.name, leaf.shape]).encode() + b"\n" + little.tobytes())
    return sha.hexdigest()


def save(folder: str | Path, params: Any) -> str:
    """Write params as a new checkpoint folder and return their digest; ValueError where the folder exists."""
    target = Path(folder).absolute()
    if target.exists():
        raise problem(
            f"checkpoint folder {folder}", "a folder that does not exist yet", "choose another name"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    part, sha = target.with_name(f".{target.name}.{secrets.token_hex(8)}"), digest(params)
    part.mkdir()
    try:
        _orbax().save(part / ARRAYS, _nested(params))
        (part / DIGEST).write_text(json.dumps({"sha256": sha}) + "\n")
        os.replace(part, target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return sha


def restore(folder: str | Path, like: Any) -> Any:
    """Return the checkpoint's parameters in the structure of `like` (a network's params).

    Reads a folder of `save`, whose digest is verified, or any Orbax checkpoint of the same module's state.
    Every path, shape and dtype must be that of `like`; ValueError names the first that is not.
    """
    path = Path(folder).absolute()
    if path.suffix in PICKLES:
        raise problem(
            f"checkpoint {folder}", "an Orbax checkpoint folder", "a pickle runs code: save with Orbax"
        )
    if not path.is_dir():
        raise problem(
            f"checkpoint {folder}, no such folder", "an Orbax checkpoint folder", "correct the path"
        )
    whole = path / DIGEST
    stored = _read(path / ARRAYS if whole.exists() else path)
    params = _fitted(stored, like, folder)
    if whole.exists() and digest(params) != _stated(whole, folder):
        raise problem(
            f"checkpoint {folder}", "arrays of the digest stated beside them", "it was altered: save it again"
        )
    return params


def _leaves(params: Any) -> Leaves:
    """Return every leaf as a NumPy array by its path."""
    return {
        tuple(_part(key) for key in path): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
    }


def _nested(params: Any) -> dict[str, Any]:
    """Return nested dictionaries of the leaves; an empty array holds nothing, and Orbax refuses it."""
    tree: dict[str, Any] = {}
    for path, leaf in _leaves(params).items():
        if leaf.size:
            node = tree
            for part in path[:-1]:
                node = node.setdefault(part, {})
            node[path[-1]] = leaf
    return tree


def _part(key: Any) -> str:
    """Return a path entry as text: a dictionary's key, a list's place, an attribute's name."""
    return jax.tree_util.keystr((key,), simple=True)


def _fitted(stored: Leaves, like: Any, folder: str | Path) -> Any:
    """Return the stored leaves in the structure of `like`, or name the first leaf that does not fit."""
    stored = {**{path: leaf for path, leaf in _leaves(like).items() if not leaf.size}, **stored}
    named = {path: path if path in stored else path[1:] for path in _leaves(like)}
    extra = sorted(set(stored) - set(named.values()))
    for path, leaf in sorted(_leaves(like).items()):
        given = stored.get(named[path])
        if given is None or given.shape != leaf.shape or given.dtype != leaf.dtype:
            found = "is absent" if given is None else f"is {given.dtype}{list(given.shape)}"
            raise problem(
                f"checkpoint {folder}: {'/'.join(path)} {found}",
                f"{leaf.dtype}{list(leaf.shape)}",
                "build the network that was saved",
            )
    if extra:
        raise problem(
            f"checkpoint {folder}: {'/'.join(extra[0])}",
            "only the network's own leaves",
            "build the network that was saved",
        )
    paths, structure = jax.tree_util.tree_flatten_with_path(like)
    return jax.tree.unflatten(
        structure, [jax.numpy.asarray(stored[named[tuple(map(_part, p))]]) for p, _ in paths]
    )


def _read(path: Path) -> Leaves:
    """Return the arrays of an Orbax checkpoint, without what NNX stores of random streams."""
    import orbax.checkpoint as ocp

    if not any((path / name).exists() for name in WRITTEN_BY_ORBAX):
        raise problem(
            f"checkpoint {path}", "a folder with " + " or ".join(WRITTEN_BY_ORBAX), "save it with Orbax"
        )
    try:
        described = _orbax().metadata(path).item_metadata.tree
        arguments = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), described)
        tree = _orbax().restore(path, args=ocp.args.PyTreeRestore(restore_args=arguments))
    except Exception as error:  # noqa: BLE001  (Orbax raises a dozen kinds for a folder that is not its own)
        raise problem(
            f"checkpoint {path}: {error!r}"[:300], "an Orbax checkpoint", "save it with Orbax"
        ) from error
    leaves = {path[:-1] if path[-1] == "value" else path: leaf for path, leaf in _leaves(tree).items()}
    return {path: leaf for path, leaf in leaves.items() if "rngs" not in path}


def _stated(path: Path, folder: str | Path) -> str:
    """Return the digest stated in a checkpoint."""
    try:
        return str(json.loads(path.read_text())["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise problem(
            f"checkpoint {folder}: unreadable {DIGEST}", 'one {"sha256": ...}', "save it again"
        ) from error


def _orbax() -> Any:
    """Return a synchronous Orbax checkpointer of trees (imported late: it is slow)."""
    import orbax.checkpoint as ocp

    return ocp.Checkpointer(ocp.PyTreeCheckpointHandler())
