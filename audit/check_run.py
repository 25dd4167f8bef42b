"""Run one check: skip it with a reason, take up a kept result, or record its crash; the audit goes on."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from audit import outputs, row_weights
from audit.check_outputs import told
from audit.clock import Clock
from audit.digests import of_json, software, source_digest
from audit.errors import AuditError, DataError
from audit.evidence import Artifact, CheckResult, Findings, Policy
from audit.gate_settled import settled
from audit.kept import Kept
from audit.memory_maps import make_room
from audit.registry import Check, Context
from audit.subject import Subject
from audit.subject_unit import pixel_range, values_of

NEEDS = {
    "gradient": "gradients through the model",
    "numbers": "inputs that are numbers, not words",
    "images": "images",
    "text": "texts and their tokens",
    "function": "a model that can be run on new inputs",
    "bounds": "declared bounds of the inputs",
    "groups": "a sensitive attribute",
    "classes": "classes",
    "features": "named features",
    "features or text": "named features, or texts and their tokens",
    "favourable": "a declared favourable outcome",
    "legitimate": "a declared legitimate factor",
    "probabilities": "class probabilities",
    "scores": "scores, not decisions alone",
    "calibration": "calibration rows",
    "catalogue": "a catalogue of items that are ranked",
    "outside": "inputs of none of its classes (for texts data.outside), since only training without some classes "
    "could make them of the data",
}


def run_check(
    check: Check,
    subject: Subject,
    options: Any,
    seed: int,
    quick: bool,
    refit: Callable[..., Any] | None,
    digests: dict[str, str],
    kept: Kept | None,
    clock: Clock,
    policy: Policy,
) -> tuple[CheckResult, dict[str, bytes], bool]:
    """Return the check's result, its sidecar files by path, and whether an earlier run left them.

    Where the clock's budget is spent, a check that no earlier run has finished is skipped, and what it
    could not finish in time is not kept.
    """
    plain = options.model_dump(mode="json")
    _refuse_unit(check, subject)
    missing = _missing(check, subject)
    if missing:
        return _result(check, plain, "skipped", missing), {}, False
    digest = _digest(check, plain, seed, quick, digests, policy)
    found = kept.result(digest) if kept else None
    if found:
        return *found, True
    if clock.expired():
        return _result(check, plain, "skipped", "the time budget ended before it"), {}, False
    files: dict[str, bytes] = {}
    ctx = replace(
        context(check.name, seed, quick, refit, files, clock.tick),
        settled=lambda m: settled(check.name, m, policy),
        expired=clock.expired,
        timed=clock.part,
    )
    make_room()
    try:
        with outputs.counted() as tally:
            findings = told(check.function(subject, options, ctx), tally, check.broken)
    except (AuditError, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001  (a check that crashes or exits must block, not end the audit)
        return _result(check, plain, "error", f"{type(error).__name__}: {error}"[:500]), {}, False
    result = _result(check, plain, "ok", "", row_weights.judgeable(check, subject.data, findings))
    if kept and not clock.expired():
        kept.keep(digest, result, files)
    return result, files, False


def context(
    name: str,
    seed: int,
    quick: bool,
    refit: Callable[..., Any] | None,
    files: dict[str, bytes],
    tick: Callable[[int, int], None],
) -> Context:
    """Return what a check may use; its key depends on (seed, check name) alone."""
    fold = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4], "big")

    def attach(file: str, data: bytes, media_type: str, caption: str) -> Artifact:
        path = f"{name}/{file}"
        files[path] = data
        return Artifact(name=file, media_type=media_type, path=path, sha256=hashlib.sha256(data).hexdigest(),
                        caption=caption)  # fmt: skip

    key = jax.random.fold_in(jax.random.key(seed), fold)
    return Context(key=key, seed=fold, quick=quick, tick=tick, attach=attach, refit=refit)


def _refuse_unit(check: Check, subject: Subject) -> None:
    """Raise DataError where a check moves images by shares of a range that nobody declared."""
    data = subject.data
    if "bounds" not in check.needs or data.modality != "image" or pixel_range(data) is not None:
        return
    given = "{}: images from {:g} to {:g} without bounds".format(check.name, *values_of(data))
    raise DataError(given, "low and high, since sizes are shares of that range", "declare low and high")


def _missing(check: Check, subject: Subject) -> str:
    """Return why the check does not apply, or nothing."""
    if subject.data.task not in check.tasks:
        return f"it is for {' and '.join(check.tasks)} tasks; this one is {subject.data.task}"
    absent = [need for need in check.needs if need not in subject.has]
    why = (
        " (every row is judged, split by folds)"
        if "calibration" in absent and subject.data.folds is not None
        else ""
    )
    return f"it needs {' and '.join(NEEDS.get(need, need) for need in absent)}{why}" if absent else ""


def _digest(
    check: Check, plain: dict[str, Any], seed: int, quick: bool, digests: dict[str, str], policy: Policy
) -> str:
    """Return the digest of everything the check's numbers depend on; a policy's rules, where they may end it."""
    rules = policy.model_dump(mode="json") if policy.budget == "verdict" else None
    devices = [d.platform for d in jax.devices()]
    code = Path(inspect.getsourcefile(check.function) or "").read_text(encoding="utf-8")  # a plugin's too
    parts = [check.name, code, plain, seed, quick, digests, software(), source_digest(), devices, rules]
    return of_json(parts)


def _result(
    check: Check, plain: dict[str, Any], status: Any, reason: str, findings: Any = None
) -> CheckResult:
    """Return a check's result."""
    return CheckResult(
        check=check.name,
        area=check.area,
        title=check.title,
        status=status,
        reason=reason,
        options=plain,
        findings=findings or Findings(),
    )
