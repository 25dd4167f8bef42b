"""What can go wrong on the user's side: one base class, one readable line each, exit code 2."""

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path


class AuditError(Exception):
    """A problem the user can mend; its text says what was given, what was expected and what to do."""

    def __init__(self, given: str, expected: str = "", todo: str = "") -> None:
        self.given, self.expected, self.todo = given, expected, todo
        parts = [given, f"expected {expected}" if expected else "", todo]
        super().__init__("; ".join(" ".join(part.split()) for part in parts if part))


class ConfigError(AuditError):
    """A configuration or policy that cannot be obeyed."""


class DataError(AuditError):
    """Data that are absent, malformed or unfit for an audit."""


class ModelError(AuditError):
    """A network, checkpoint or score file that cannot be used."""


class PluginError(AuditError):
    """A plugin that does not import or registers something unusable."""


class StoreError(AuditError):
    """A run folder that is absent, incomplete or from a newer schema."""


@contextlib.contextmanager
def users_code(what: str, kind: type[AuditError] = ModelError, *, exits: bool = False) -> Iterator[None]:
    """Turn whatever users' code raises here, an exit included, into one line; Ctrl-C and our own lines pass.

    exits: only what is no Exception (SystemExit, GeneratorExit, a BaseException of the user's), where code of ours
    runs here, too.
    """
    try:
        yield
    except (AuditError, KeyboardInterrupt):
        raise
    except BaseException as error:
        if exits and isinstance(error, Exception):
            raise
        raise kind(f"{what} raised {raised(error)}", "a result", "mend it") from error


def raised(error: BaseException) -> str:
    """Return an exception's type, text (first and last line of many) and place in one line."""
    lines = [line.strip()[:150] for line in str(error).splitlines() if line.strip()] or [""]
    text = lines[0] if len(lines) == 1 else f"{lines[0]} ... {lines[-1]}"
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text}"[:350] + place[:50]
