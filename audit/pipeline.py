"""The whole way, top to bottom: config, data, model, subject, checks, decisions, record, run folder."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from audit import facts, gate, row_outcomes, store
from audit.assemble import Assembled, read_data, read_model
from audit.check_run import run_check
from audit.clock import Clock, Progress
from audit.config import Loaded, load
from audit.digests import dataset_digest, model_digest, of_arrays, software, source_digest
from audit.evidence import CheckResult, Record, Volatile
from audit.examine import examine
from audit.kept import Kept
from audit.registry import find
from audit.rendering import RENDER
from audit.subject import Dataset, Model, Subject, observe


def run(
    config: str | Path | dict[str, Any] | Loaded,
    *,
    data: Dataset | None = None,
    model: Model | None = None,
    out: str | Path | None = None,
    quick: bool = False,
    overrides: tuple[str, ...] = (),
    reuse: bool = True,
    progress: Progress = lambda stage, done, total: None,
    seconds: Mapping[str, float] | None = None,
) -> Record:
    """Return the record of one audit, after writing it with its reports into a new folder of `out`.

    config is a file, a shipped name, a mapping or a loaded configuration; `data` and `model` stand in for
    its blocks of that name. quick spends less and can never PASS. reuse takes finished work from earlier
    runs with the same content; of a `model` given here nothing is kept, since its code has no digest. Raises
    AuditError for anything the user can mend.
    """
    started = dt.datetime.now(dt.UTC)
    clock = Clock(progress, dict(seconds or {}))
    loaded = config if isinstance(config, Loaded) else load(config, overrides)
    checks = {name: find(name) for name in loaded.config.checks}
    gate.refuse(loaded.policy, {name: [m.name for m in check.measures] for name, check in checks.items()})
    folder = store.prepared(out_folder(loaded, out))
    kept = Kept(folder) if reuse else None

    with clock("data"):
        dataset = data if data is not None else read_data(loaded)
        digests = dataset_digest(dataset)
    with clock("model"):
        made = (
            Assembled(model) if model is not None else read_model(loaded, dataset, digests, kept, clock.tick)
        )
        digests["model"] = model_digest(made.model)
    with clock("outputs"):
        subject = observe(made.model, dataset)
        examine(subject)
        digests["outputs"] = of_arrays(dict(subject.outputs))
        kept_rows = loaded.config.record.row_outcomes
        sidecar = {row_outcomes.PATH: row_outcomes.of(subject)} if kept_rows else {}
    results, files, reused = _run_checks(
        loaded, subject, made, digests, kept if model is None else None, quick, clock
    )

    with clock("gate"):
        now = dt.datetime.now(dt.UTC)
        decisions, verdict, code = gate.judge(results, loaded.policy, on=now.date(), quick=quick)
    record = Record(
        tool=f"jax-audit {software()['jax-audit']}",
        name=loaded.config.name,
        config=loaded.config.model_dump(mode="json", exclude={"out"}),
        facts=facts.of(subject, made, loaded.config.system),
        results=results,
        policy=loaded.policy,
        decisions=decisions,
        verdict=verdict,
        exit_code=code,
        quick=quick,
        not_measured=facts.not_measured(results, subject),
        digests={
            **digests,
            "source": source_digest(),
            **{path: store.sha256(data) for path, data in sidecar.items()},
        },
    )
    earlier = store.earlier_judgements(folder, digests["test"])
    return _write(record, folder, loaded, {**files, **sidecar}, made, clock, (started, now, reused, earlier))


def out_folder(loaded: Loaded, out: str | Path | None) -> Path:
    """Return the folder of the runs: the caller's, the configuration's, or runs/ here."""
    if out is not None:
        return Path(out)
    return loaded.path(loaded.config.out) if loaded.config.out else Path("runs")


def _run_checks(
    loaded: Loaded,
    subject: Subject,
    made: Assembled,
    digests: dict[str, str],
    kept: Kept | None,
    quick: bool,
    clock: Clock,
) -> tuple[tuple[CheckResult, ...], dict[str, bytes], tuple[str, ...]]:
    """Run or take up every configured check, each kept as soon as it is finished."""
    results: list[CheckResult] = []
    files: dict[str, bytes] = {}
    reused: list[str] = []
    for name, options in loaded.options.items():
        with clock(name):
            result, extra, again = run_check(
                find(name), subject, options, loaded.config.seed, quick, made.refit, digests, kept, clock.tick
            )
        results.append(result)
        files.update(extra)
        reused += [name] if again else []
    return tuple(results), files, tuple(reused)


def _write(
    record: Record,
    folder: Path,
    loaded: Loaded,
    files: dict[str, bytes],
    made: Assembled,
    clock: Clock,
    when: tuple[dt.datetime, dt.datetime, tuple[str, ...], int],
) -> Record:
    """Fill the volatile block, render the reports and write the run folder."""
    started, judged, reused, earlier = when
    volatile = Volatile(
        started=started,
        judged=judged,
        finished=dt.datetime.now(dt.UTC),
        seconds=clock.seconds,
        reused=reused,
        machine={
            "platform": platform.platform(),
            "devices": ", ".join(f"{d.platform}:{d.id}" for d in jax.devices()),
            "cpus": str(os.cpu_count()),
        },
        earlier_judgements=earlier,
    )
    record = record.model_copy(update={"volatile": volatile})
    named = volatile.model_copy(update={"run_id": store.run_name(record)})
    record = record.model_copy(update={"volatile": named})
    pages = {RENDER[name][0]: RENDER[name][1](record) for name in loaded.config.formats}
    store.write(folder, record, {**files, **pages}, made.save)
    return record
