"""The digests of all files that a configuration names: itself, its policies, data, network, scores and weights."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audit import yaml_text
from audit.config import Loaded
from audit.errors import ConfigError, StoreError
from audit.locate import named, shipped
from audit.manifest import of_file


def digests(source: str, loaded: Loaded) -> dict[str, str]:
    """Return the SHA-256 of each file that the configuration at `source` names, by path; what is absent has none."""
    config = loaded.config
    paths = {named(source, shipped(), "config", Path.cwd()), *_policies(config.policy, loaded.base)}
    for block in (config.data, config.model):
        for text in _texts({} if block is None else block.model_dump(mode="json")):
            paths |= set(_files(text, loaded))
    if config.model and config.model.weights:
        paths |= {path for path in loaded.path(config.model.weights).rglob("*") if path.is_file()}
    return {str(path): _digest(path) for path in sorted(path.absolute() for path in paths)}


def data_digest(loaded: Loaded, known: dict[str, str]) -> str | None:
    """Return what the record must say of the data's files, made of known digests; None where there are no files.

    One file's SHA-256, or that of the lines that `sha256sum` prints for several, in the order of the configuration.
    """
    block = loaded.config.data
    given = {} if block is None else block.model_dump(mode="json")
    tables = [given.get(key) or {} for key in ("users", "items")]
    texts = [given.get(key) for key in ("path", "labels", "test", "test_labels")]
    texts += [(one.get("file") or {}).get("path") for one in (given, *tables)]
    paths = [loaded.path(text).absolute() for text in texts if text]
    each = [known.get(str(path), "") for path in paths]
    if len(each) < 2:
        return each[0] if each else None
    lines = "".join(f"{one}  {path.name}\n" for one, path in zip(each, paths, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()


def _policies(policy: Any, base: Path) -> Iterator[Path]:
    """Yield the file of a policy, where it is one, and of what it includes."""
    if isinstance(policy, str):
        path = named(policy, shipped() / "policies", "policy", base)
        yield path
        value, base = yaml_text.read(path)[0], path.parent
        includes = value.get("include", [])
        for one in [includes] if isinstance(includes, str) else includes:
            yield from _policies(str(one), base)


def _texts(value: Any) -> Iterator[str]:
    """Yield every text among plain values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _files(text: str, loaded: Loaded) -> Iterator[Path]:
    """Yield the file that a text names, if it does; of ./net.py:build the file."""
    file, python, _ = text.partition(".py:")
    with contextlib.suppress(ConfigError, OSError, ValueError):  # a variable that is not set; no path at all
        path = loaded.path(f"{file}.py" if python else text)
        if path.is_file():
            yield path


def _digest(path: Path) -> str:
    """Return a file's SHA-256; StoreError where it cannot be read."""
    try:
        return of_file(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror})", "a file") from error
