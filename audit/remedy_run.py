"""The remedies that a configuration asks for: validation chooses, the same audit judges, before and after."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jax

from audit import gate_match, row_outcomes, store
from audit.assemble import Assembled, read_model, with_scaling
from audit.audited import Audited, Desk, audited
from audit.check_run import NEEDS, run_check
from audit.compare import compare
from audit.config import Loaded
from audit.digests import dataset_digest, model_digest, of_arrays
from audit.errors import AuditError, ModelError
from audit.evidence import CheckResult, Measurement, Record, Remedied
from audit.examine import examine
from audit.parity import with_parity
from audit.registry import find as find_check
from audit.remedies import Bench, Choice, Remedy, find
from audit.remedies.options import WAYS, Adversarial, Parity, ParityPenalty, Reduction
from audit.remedy_moved import moved_decisions
from audit.remedy_table import before_after
from audit.row_outcomes import RowOutcomes
from audit.subject import Dataset, Model, Subject, observe

if TYPE_CHECKING:
    from models.scaling import Method
LATE = "the time budget ended before it"


@dataclass(frozen=True, eq=False)
class Tried:
    """A remedy as the record tells it, and the audit of the remedied model where there is one."""

    told: Remedied
    after: Audited | None = None


def try_all(desk: Desk, before: Audited) -> list[Tried]:
    """Return every configured remedy as tried; one that fails says so, and the audit before it stands."""
    done: list[Tried] = []
    for place, (name, options) in enumerate(desk.loaded.remedies, start=1):
        remedy = find(name)
        told = Remedied(
            remedy=name, title=remedy.title, status="skipped", options=options.model_dump(mode="json")
        )
        why = _inapplicable(desk, before, remedy)
        try:
            done.append(_without(told, "skipped", why) if why else _one(desk, before, told, options, place))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  (whatever a remedy raises, the audit before it stands)
            reason = str(error) if isinstance(error, AuditError) else f"{type(error).__name__}: {error}"
            done.append(_without(told, "error", reason[:500]))
    return _warned(done, before.record.policy.alpha)


def _inapplicable(desk: Desk, before: Audited, remedy: Remedy) -> str:
    """Return why a remedy is not tried, or nothing."""
    if desk.clock.expired():
        return LATE
    missing = [NEEDS.get(need, need) for need in remedy.needs if need not in before.subject.has]
    return f"it needs {' and '.join(missing)}" if missing else ""


def _without(told: Remedied, status: str, reason: str) -> Tried:
    """Return a remedy without a remedied model, and why."""
    return Tried(told.model_copy(update={"status": status, "reason": reason}))


def _one(desk: Desk, before: Audited, told: Remedied, options: Any, place: int) -> Tried:
    """Return one remedy as tried."""
    bench = _Bench(desk, before.made, f"remedy {place}: ")
    asked = bench.observed(before.made.model)
    choice: Choice = find(told.remedy).function(asked, options, bench.given(told.remedy))
    told = told.model_copy(update={"says": choice.says, "rule": choice.rule, "tables": (choice.candidates,)})
    if choice.model is None:
        return _without(told, "none chosen", choice.reason)
    loaded, made = bench.origin(choice.model)
    name = f"{desk.loaded.config.name[:150]} after {told.remedy.replace('_', ' ')}"
    loaded = replace(loaded, config=loaded.config.model_copy(update={"name": name}))
    after = audited(replace(desk, loaded=loaded), made, bench.stage)
    record = _marked(after.record, told, before.record)
    found = compare(before.record, record, _outcomes(before.subject), _outcomes(after.subject))
    told = told.model_copy(
        update={
            "status": "audited",
            "verdict": record.verdict,
            "exit_code": record.exit_code,
            "record": record.digest,
            "folder": f"{store.REMEDIES}/{place}-{told.remedy.replace('_', '-')}",
            "tables": (
                choice.candidates,
                before_after(found, before.record, record),
                *moved_decisions(before.subject, after.subject),
            ),
            "notes": found.notes,
        }
    )
    return Tried(told, replace(after, record=record))


def _marked(record: Record, told: Remedied, before: Record) -> Record:
    """Return the remedied model's record with what it came from among the model's facts."""
    note = (
        f"Remedied: {told.title} ({told.says}). {told.rule} The model asked about "
        f"({before.digests['model'][:12]}) was judged on the same test rows before this one: {before.verdict}."
    )
    model = record.facts.model
    model = model.model_copy(update={"notes": (*model.notes, note)})
    return record.model_copy(update={"facts": record.facts.model_copy(update={"model": model})})


def _warned(done: list[Tried], alpha: float) -> list[Tried]:
    """Return the remedies with the warning that test rows judged several models."""
    models = 1 + sum(tried.after is not None for tried in done)
    if models == 1:
        return done
    note = (
        f"These test rows judged {models} models in this run. An unfit model passes by chance with probability "
        f"at most {alpha:g}; that any of {models} does, at most {min(models * alpha, 1.0):g}. Whoever picks a "
        "model by these verdicts chooses by the test rows, and should judge the choice on new ones."
    )
    return [
        replace(t, told=t.told.model_copy(update={"notes": (note, *t.told.notes)})) if t.after else t
        for t in done
    ]


def _outcomes(subject: Subject) -> RowOutcomes | None:
    """Return what the model did on each test row, or None where that cannot be told row by row."""
    try:
        return row_outcomes.parse(row_outcomes.of(subject))
    except AuditError:
        return None


class _Bench:
    """Trains and measures for one remedy, and remembers how each model that it made was made."""

    def __init__(self, desk: Desk, made: Assembled, stage: str) -> None:
        self.desk, self.made, self.stage = desk, made, stage
        self.held = _on_validation(desk.data)
        self.digests = dataset_digest(self.held)
        self.made_here: list[tuple[Loaded, Assembled]] = []

    def given(self, remedy: str) -> Bench:
        """Return what the remedy is given; its key depends on (seed, remedy name) alone."""
        seed = self.desk.loaded.config.seed
        fold = int.from_bytes(hashlib.sha256(f"{seed}/{remedy}".encode()).digest()[:4], "big")
        key = jax.random.fold_in(jax.random.key(seed), fold)
        return Bench(
            key=key,
            train=self.train,
            scale=self.scale,
            equalise=self.equalise,
            measure=self.measure,
            judged=self.judged,
        )

    def train(self, how: Adversarial | ParityPenalty | Reduction) -> Model:
        """Return the same model trained from the same start, but so."""
        desk = self.desk
        if desk.clock.expired():
            raise AuditError(LATE)
        loaded = _trained_so(desk.loaded, how)
        with desk.clock(f"{self.stage}training {len(self.made_here) + 1}"):
            made = read_model(loaded, desk.data, desk.digests, desk.kept, desk.clock.tick, self.made.network)
        self.made_here.append((loaded, made))
        return made.model

    def scale(self, method: Method) -> Model:
        """Return the model asked about with its logits scaled."""
        with self.desk.clock(f"{self.stage}{method} scaling"):
            made = with_scaling(self.made, self.desk.data, method)
        self.made_here.append((_changed(self.desk.loaded, scaling=method), made))
        return made.model

    def equalise(self, how: Parity) -> Model:
        """Return the model asked about with decisions by thresholds of each group."""
        loaded = self.desk.loaded
        with self.desk.clock(f"{self.stage}{how}"):
            model = with_parity(self.made.model, self.desk.data, how, loaded.config.seed)
        config = loaded.config
        decision = config.decision.model_copy(update={"parity": how})
        changed = replace(
            loaded, config=config.model_copy(update={"decision": decision, "remedies": ()}), remedies=()
        )
        self.made_here.append((changed, replace(self.made, model=model, refit=None)))
        return model

    def observed(self, model: Model) -> Subject:
        """Return a model on the validation rows."""
        subject = observe(_placed(model), self.held)
        examine(subject, self.desk.loaded.config.seed)
        return subject

    def measure(self, model: Model, check: str) -> CheckResult:
        """Return a configured check's result on the validation rows."""
        desk = self.desk
        with desk.clock(f"{self.stage}{check} on validation"):
            subject = self.observed(model)
            outputs = of_arrays(dict(subject.outputs))
            digests = {**self.digests, "model": model_digest(model), "outputs": outputs}
            loaded = desk.loaded
            whole = loaded.policy.model_copy(update={"budget": "full"})  # candidates are compared, not judged
            return run_check(
                find_check(check),
                subject,
                loaded.options[check],
                loaded.config.seed,
                desk.quick,
                None,
                digests,
                desk.kept,
                desk.clock,
                whole,
            )[0]

    def judged(self, result: CheckResult) -> tuple[Measurement, ...]:
        """Return the measurements that a blocking rule of the policy names."""
        rules = [
            r for r in self.desk.loaded.policy.rules if r.severity == "blocking" and r.check == result.check
        ]
        named = [m for rule in rules for m in gate_match.find(rule, (result,))[0]]
        return tuple(m for m in result.findings.measurements if m in named)

    def origin(self, model: Model) -> tuple[Loaded, Assembled]:
        """Return the configuration that makes this model, and all that was assembled with it."""
        known = [pair for pair in self.made_here if pair[1].model is model]
        return known[0] if known else (self.desk.loaded, Assembled(model))


def _placed(model: Model) -> Model:
    """Return the model with its stored scores and decisions of the validation rows in the place of the test rows'."""

    def moved(stored: Mapping[str, Any]) -> dict[str, Any]:
        if stored and "validation" not in stored:
            raise ModelError(f"model {model.name}: no scores of the validation rows", "them too", "add them")
        return {**stored, "test": stored["validation"]} if stored else {}

    return replace(model, scores=moved(model.scores), decisions=moved(model.decisions))


def _on_validation(data: Dataset) -> Dataset:
    """Return the dataset with the validation rows in the place of the test rows."""
    return replace(data, splits={**data.splits, "test": data.splits["validation"]})


def _trained_so(loaded: Loaded, how: Adversarial | ParityPenalty | Reduction) -> Loaded:
    """Return the configuration with this way to train, and without remedies."""
    assert loaded.config.model is not None and loaded.config.model.train is not None
    return _changed(loaded, train=loaded.config.model.train.model_copy(update={WAYS[type(how)]: how}))


def _changed(loaded: Loaded, **model: Any) -> Loaded:
    """Return the configuration with these changes of its model block, and without remedies."""
    config = loaded.config
    block = config.model and config.model.model_copy(update=model)
    return replace(loaded, config=config.model_copy(update={"model": block, "remedies": ()}), remedies=())
