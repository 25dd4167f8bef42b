"""Where configurations, policies and the files they name lie."""

from __future__ import annotations

import os
import re
from pathlib import Path

from audit.errors import ConfigError
from audit.registry import nearest


def shipped() -> Path:
    """Return the folder of the shipped configurations and policies."""
    here = Path(__file__).parent
    packed = here / "_configs"
    return packed if packed.is_dir() else here.parent / "configs"


def resolve(text: str, base: Path, todo: str = "") -> Path:
    """Return the path with ${VARIABLES} expanded; ConfigError, with what to do, for one that is not set."""
    for name in re.findall(r"\$\{(\w+)\}", text):
        if name not in os.environ:
            given = f"{text} uses ${{{name}}}, which is not set"
            raise ConfigError(given, "a folder", todo or f"export {name}=FOLDER")
    path = Path(os.path.expandvars(text)).expanduser()
    return path if path.is_absolute() else base / path


def named(source: str, folder: Path, what: str, base: Path) -> Path:
    """Return the YAML file of a bare name in a shipped folder, or of a path; ConfigError if there is none."""
    if re.fullmatch(r"[\w-]+", source) and (folder / f"{source}.yaml").exists():
        return folder / f"{source}.yaml"
    path = resolve(source, base)
    if not path.is_file():
        known = sorted(file.stem for file in folder.glob("*.yaml"))
        raise ConfigError(
            f"{what}={source!r} is no file", nearest(source, known), "give a path or a shipped name"
        )
    return path
