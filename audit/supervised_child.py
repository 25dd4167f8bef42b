"""The process that `jax-audit run` leaves an audit to: it answers in a file with its run's name or what went wrong."""

from __future__ import annotations

import json
import os
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from audit.errors import AuditError
from audit.supervised import ANSWER


def main(request: str) -> None:
    """Audit what the request's file asks for and write the answer beside it."""
    file = Path(request)
    asked = json.loads(file.read_text())
    file.unlink()
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    answer = _answer(asked)
    partial = file.with_name(f"{ANSWER}.partial")
    partial.write_text(json.dumps(answer))
    partial.rename(file.with_name(ANSWER))


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the answer: the name of the run, or what went wrong and whose fault it is."""
    try:
        return {"run": _run(asked)}
    except KeyboardInterrupt:
        return {"interrupted": True}
    except AuditError as error:
        return {"mistake": str(error)}
    except BaseException:  # noqa: BLE001  (the last resort: fail closed, with the traceback for us)
        traceback.print_exc()
        return {"error": "this is an error of jax-audit, not yours; nothing was judged"}


def _run(asked: dict[str, Any]) -> str:
    """Return the name of the finished run's folder."""
    from audit import compilation_cache, processors, screen
    from audit.guard import guard
    from audit.pipeline import run

    guard()
    compilation_cache.keep()
    processors.share()
    seconds = {"import": round(time.time() - asked["began"], 3)}
    given = {**asked["run"], "overrides": tuple(asked["run"]["overrides"])}
    with screen.stages(asked["silent"]) as progress:
        return run(**given, progress=progress, seconds=seconds).volatile.run_id


def _end_with_parent(parent: int) -> None:
    """End this process when the one that reads its record is gone."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(4)
