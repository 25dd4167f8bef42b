"""The whole way, top to bottom: config, data, model, audit, remedies, record, run folder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit import check_refused, gate, gate_crosswalk, remedy_refused, remedy_run, store
from audit.assemble import Assembled, read_data, read_model
from audit.audited import Desk, audited
from audit.clock import Clock, Progress
from audit.config import Loaded, load
from audit.crossfit import FOLDS
from audit.data import names
from audit.digests import dataset_digest
from audit.errors import ConfigError
from audit.evidence import Record
from audit.kept import Kept
from audit.registry import checks as every_check
from audit.registry import find
from audit.run_folder import write
from audit.subject import Dataset, Model


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
) -> Record:
    """Return the record of one audit, after writing it with its reports into a new folder of `out`.

    config is a file, a shipped name, a mapping or a loaded configuration; `data` and `model` stand in for
    its blocks of that name. quick spends less and can never PASS. reuse takes finished work from earlier
    runs with the same content; of a `model` given here nothing is kept, since its code has no digest. After
    time_budget seconds no check and no attack's stage begins; what is unfinished then cannot PASS. Raises
    AuditError for anything the user can mend.
    """
    started = dt.datetime.now(dt.UTC)
    clock = Clock(progress, dict(seconds or {}), time_budget)
    loaded = config if isinstance(config, Loaded) else load(config, overrides)
    checks = {name: find(name) for name in loaded.config.checks}
    gate.refuse(loaded.policy, {name: [m.name for m in check.measures] for name, check in checks.items()})
    gate_crosswalk.refuse(loaded.policy, every_check())
    folder = store.prepared(out_folder(loaded, out))
    kept = Kept(folder) if reuse else None

    with clock("data"):
        dataset = names.with_names(data) if data is not None else read_data(loaded, ready=model is not None)
        digests = dataset_digest(dataset)
    check_refused.refuse(loaded, dataset)
    given = loaded.config.model
    if model is not None and dataset.folds is not None:
        raise ConfigError(f"a Model given to audit.run with {FOLDS}", "a model block", "or split by fraction")
    remedy_refused.refuse(
        loaded, dataset, trained_here=model is None and given is not None and given.train is not None
    )
    with clock("model"):
        made = (
            Assembled(model) if model is not None else read_model(loaded, dataset, digests, kept, clock.tick)
        )
    desk = Desk(loaded, dataset, digests, kept if model is None else None, quick, clock)
    asked = audited(desk, made)
    tried = remedy_run.try_all(desk, asked)
    earlier = store.earlier_judgements(folder, digests["test"])
    return write(folder, desk, asked, tried, started, earlier)


def out_folder(loaded: Loaded, out: str | Path | None) -> Path:
    """Return the folder of the runs: the caller's, the configuration's, or runs/ here."""
    if out is not None:
        return Path(out)
    return loaded.path(loaded.config.out) if loaded.config.out else Path("runs")
