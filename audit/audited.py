"""One model's audit within a run: outputs, checks, decisions, and the record they make."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from audit import concerns, facts, gate, ledger, row_digests, row_outcomes, store
from audit.assemble import Assembled
from audit.check_run import run_check
from audit.clock import Clock
from audit.config import Loaded
from audit.digests import model_digest, of_arrays, software, source_digest
from audit.errors import users_code
from audit.evidence import CheckResult, Record, policy_digest
from audit.examine import examine
from audit.kept import Kept
from audit.registry import find
from audit.subject import Dataset, Subject, observe
from models import checkpoint

VOCABULARY = "tokens/vocabulary.json"  # the fitted tokenizer of texts, beside the record


@dataclass(frozen=True, eq=False)
class Desk:
    """What every audit of one run shares; digests are those of the data, kept is finished work to take up.

    rows: digests of the test rows' content, by which the ledger knows them. nonce: what the record is known again by.
    """

    loaded: Loaded
    data: Dataset
    digests: dict[str, str]
    rows: ledger.Known
    kept: Kept | None
    quick: bool
    clock: Clock
    nonce: str = ""


@dataclass(frozen=True, eq=False)
class Audited:
    """A finished audit: its record, not yet the volatile block, and the files that go beside it."""

    made: Assembled
    subject: Subject
    record: Record
    files: dict[str, bytes]
    reused: tuple[str, ...]
    judged: dt.datetime
    earlier: int | None


def audited(desk: Desk, made: Assembled, stage: str = "") -> Audited:
    """Return the audit of one model under the desk's configuration; `stage` precedes the names of its stages."""
    loaded = desk.loaded
    with desk.clock(f"{stage}outputs"):
        with users_code(f"model {made.model.name}"):
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
    digests["judged"] = row_digests.of_judged(desk.data, subject)
    look = ledger.look(desk.rows, digests["judged"], loaded.policy)
    ledger.add(look)  # before the checks, so that of audits side by side one alone comes first
    earlier = ledger.before(look)
    doubts = (
        *concerns.found(subject, procedure=_of_procedure(loaded), trained_here=made.refit is not None),
        *ledger.concerns(earlier, loaded.policy.looks),
    )
    results, files, reused = _run_checks(desk, made, subject, digests, stage)
    with desk.clock(f"{stage}gate"):
        now = dt.datetime.now(dt.UTC)
        decisions, verdict, code = gate.judge(
            results, loaded.policy, on=now.date(), quick=desk.quick, concerns=doubts
        )
    record = Record(
        tool=f"jax-audit {software()['jax-audit']}",
        name=loaded.config.name,
        config=loaded.config.model_dump(mode="json", exclude={"out"}),
        facts=facts.of(subject, made, loaded.config.system),
        concerns=doubts,
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
            "rows": ledger.rows_digest(desk.rows),
            "source": source_digest(),
            "policy": policy_digest(loaded.policy),
            **{path: store.sha256(data) for path, data in sidecar.items()},
            **({} if made.weights is None else {"weights": checkpoint.digest(made.weights)}),
            **({"start_weights": made.start} if made.start else {}),
        },
    )
    return Audited(
        made, subject, record, {**files, **sidecar}, reused, now, earlier.earlier if earlier else None
    )


def _of_procedure(loaded: Loaded) -> bool:
    """Return whether the configuration says that the verdict is meant for the way of training."""
    split = getattr(loaded.config.data, "split", None)
    return split is not None and split.judge == "training_procedure"


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
