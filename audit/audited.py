"""One model's audit within a run: outputs, checks, decisions, and the record they make."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from audit import facts, gate, row_outcomes, store
from audit.assemble import Assembled
from audit.check_run import run_check
from audit.clock import Clock
from audit.config import Loaded
from audit.digests import model_digest, of_arrays, software, source_digest
from audit.evidence import CheckResult, Record
from audit.examine import examine
from audit.kept import Kept
from audit.registry import find
from audit.subject import Dataset, Subject, observe
from models import checkpoint

VOCABULARY = "tokens/vocabulary.json"  # the fitted tokenizer of texts, beside the record


@dataclass(frozen=True, eq=False)
class Desk:
    """What every audit of one run shares; digests are those of the data, kept is finished work to take up."""

    loaded: Loaded
    data: Dataset
    digests: dict[str, str]
    kept: Kept | None
    quick: bool
    clock: Clock


@dataclass(frozen=True, eq=False)
class Audited:
    """A finished audit: its record, not yet the volatile block, and the files that go beside it."""

    made: Assembled
    subject: Subject
    record: Record
    files: dict[str, bytes]
    reused: tuple[str, ...]
    judged: dt.datetime


def audited(desk: Desk, made: Assembled, stage: str = "") -> Audited:
    """Return the audit of one model under the desk's configuration; `stage` precedes the names of its stages."""
    loaded = desk.loaded
    with desk.clock(f"{stage}outputs"):
        subject = observe(made.model, desk.data)
        examine(subject, loaded.config.seed)
        made = replace(made, model=subject.model)
        digests = {
            **desk.digests,
            "model": model_digest(made.model),
            "outputs": of_arrays(dict(subject.outputs)),
        }
        sidecar = {row_outcomes.PATH: row_outcomes.of(subject)} if loaded.config.record.row_outcomes else {}
        if desk.data.tokens is not None and desk.data.tokens.saved:
            sidecar[VOCABULARY] = desk.data.tokens.saved
    results, files, reused = _run_checks(desk, made, subject, digests, stage)
    with desk.clock(f"{stage}gate"):
        now = dt.datetime.now(dt.UTC)
        decisions, verdict, code = gate.judge(results, loaded.policy, on=now.date(), quick=desk.quick)
    record = Record(
        tool=f"jax-audit {software()['jax-audit']}",
        name=loaded.config.name,
        config=loaded.config.model_dump(mode="json", exclude={"out"}),
        facts=facts.of(subject, made, loaded.config.system),
        results=results,
        policy=loaded.policy,
        decisions=decisions,
        unmet=gate.unmet(results, loaded.policy),
        verdict=verdict,
        exit_code=code,
        quick=desk.quick,
        not_measured=facts.not_measured(results, subject),
        digests={
            **digests,
            "source": source_digest(),
            **{path: store.sha256(data) for path, data in sidecar.items()},
            **({} if made.weights is None else {"weights": checkpoint.digest(made.weights)}),
            **({"start_weights": made.start} if made.start else {}),
        },
    )
    return Audited(made, subject, record, {**files, **sidecar}, reused, now)


def _run_checks(
    desk: Desk, made: Assembled, subject: Subject, digests: dict[str, str], stage: str
) -> tuple[tuple[CheckResult, ...], dict[str, bytes], tuple[str, ...]]:
    """Run or take up every configured check, each kept as soon as it is finished."""
    results: list[CheckResult] = []
    files: dict[str, bytes] = {}
    reused: list[str] = []
    seed, kept, clock, policy = desk.loaded.config.seed, desk.kept, desk.clock, desk.loaded.policy
    for name, options in desk.loaded.options.items():
        with clock(f"{stage}{name}"):
            result, extra, again = run_check(
                find(name), subject, options, seed, desk.quick, made.refit, digests, kept, clock, policy
            )
        results.append(result)
        files.update(extra)
        reused += [name] if again else []
    return tuple(results), files, tuple(reused)
