"""The whole way, top to bottom: config, data, model, audit, remedies, record, run folder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit import (
    check_refused,
    gate,
    gate_crosswalk,
    policy_refused,
    remedy_refused,
    remedy_run,
    row_digests,
    store,
)
from audit import kept as finished
from audit.assemble import Assembled, read_data, read_model
from audit.audited import Desk, audited
from audit.clock import Clock, Progress
from audit.config import Loaded, load
from audit.crossfit import FOLDS
from audit.data import names
from audit.digests import dataset_digest
from audit.errors import ConfigError, ModelError, users_code
from audit.evidence import Record
from audit.registry import checks as every_check
from audit.registry import find
from audit.run_folder import write
from audit.subject import Dataset, Model, with_meaning


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
    time_budget: float | None = None,
    nonce: str = "",
) -> Record:
    """Return the record of one audit, after writing it with its reports into a new folder of `out`.

    config is a file, a shipped name, a mapping or a loaded configuration; `data` and `model` stand in for
    its blocks of that name. quick spends less and can never PASS. reuse takes finished work from earlier
    runs with the same content and cache key; of a `model` given here nothing is kept, since its code has no
    digest. After time_budget seconds no check and no attack's stage begins; what is unfinished then cannot PASS.
    nonce: kept in the record, so that a caller knows it again. Raises AuditError for anything the user can mend,
    an exit that the user's own code takes among it.
    """
    clock = Clock(progress, dict(seconds or {}), time_budget)
    with users_code("a network, plugin or other code of yours", exits=True):
        loaded = config if isinstance(config, Loaded) else load(config, overrides)
        return _run(loaded, data, model, loaded.runs(out), quick, reuse, clock, nonce)


def _run(
    loaded: Loaded,
    data: Dataset | None,
    model: Model | None,
    out: Path,
    quick: bool,
    reuse: bool,
    clock: Clock,
    nonce: str,
) -> Record:
    """Return the record of one audit after writing its run folder."""
    started = dt.datetime.now(dt.UTC)
    checks = {name: find(name) for name in loaded.config.checks}
    gate.refuse(loaded.policy, {name: [m.name for m in check.measures] for name, check in checks.items()})
    policy_refused.refuse(loaded.policy, checks)
    gate_crosswalk.refuse(loaded.policy, every_check())
    folder = store.prepared(out)
    kept = finished.opened(folder) if reuse else None

    with clock("data"):
        dataset = names.with_names(data) if data is not None else read_data(loaded, ready=model is not None)
        dataset = dataset.read_only()
        digests = dataset_digest(dataset)
    check_refused.refuse(loaded, dataset)
    given = loaded.config.model
    if model is not None and dataset.folds is not None:
        raise ConfigError(f"a Model given to audit.run with {FOLDS}", "a model block", "or split by fraction")
    remedy_refused.refuse(
        loaded, dataset, trained_here=model is None and given is not None and given.train is not None
    )
    with clock("model"):
        if model is None:
            made = read_model(loaded, dataset, digests, kept, clock.tick)
        else:
            with users_code(f"model {model.name}"):
                made = Assembled(with_meaning(model, dataset))
    _refuse_changed(digests, dataset)
    rows = row_digests.of(dataset)
    desk = Desk(loaded, dataset, digests, rows, kept if model is None else None, quick, clock, nonce)
    asked = audited(desk, made)
    tried = remedy_run.try_all(desk, asked)
    _refuse_changed(digests, dataset)
    return write(folder, desk, asked, tried, started)


def _refuse_changed(digests: Mapping[str, str], data: Dataset) -> None:
    """Raise ModelError where the rows are no longer those that were handed over."""
    now = dataset_digest(data)
    changed = [name for name in data.splits if now[name] != digests[name]]
    if now != digests:
        raise ModelError(
            f"the data changed during the audit ({', '.join(changed) or 'what they mean'})",
            "code that writes to copies of its own",
            "x = x.copy() before x -= mean",
        )
