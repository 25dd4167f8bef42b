"""The run folder of an audit and of the models that its remedies made: records with their times, reports, weights."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import jax

from audit import compilation_cache, rewriting, store
from audit.audited import Audited, Desk
from audit.evidence import Record, Volatile
from audit.remedy_run import Tried
from audit.rendering import RENDER


def write(folder: Path, desk: Desk, asked: Audited, tried: Sequence[Tried], started: dt.datetime) -> Record:
    """Return the record of the model asked about after writing its run folder, those of remedied models inside."""
    record = asked.record.model_copy(update={"remedies": tuple(one.told for one in tried)})
    record = _timed(record, asked, desk, started)
    record = _named(record, store.run_name(record))
    files = {**asked.files, **_pages(record, desk)}
    audits = [(one.told.folder, one.after) for one in tried if one.after is not None]
    for place, after in audits:
        inner = _timed(after.record, after, desk, started)
        inner = _named(inner, f"{record.volatile.run_id}/{place}")
        inside = {**after.files, **_pages(inner, desk), **store.documents(inner)}
        files.update({f"{place}/{path}": data for path, data in inside.items()})

    def fill(partial: Path) -> None:
        for place, done in ((".", asked), *audits):
            if done.made.save:
                (partial / place).mkdir(parents=True, exist_ok=True)
                done.made.save(partial / place)

    store.write(folder, record, files, fill)
    return record


def _timed(record: Record, done: Audited, desk: Desk, started: dt.datetime) -> Record:
    """Return the record with its volatile block, not yet its identity."""
    volatile = Volatile(
        started=started,
        judged=done.judged,
        finished=dt.datetime.now(dt.UTC),
        seconds=desk.clock.seconds,
        reused=done.reused,
        machine={
            "platform": platform.platform(),
            "devices": ", ".join(f"{d.platform}:{d.id}" for d in jax.devices()),
            "cpus": str(os.cpu_count()),
            **rewriting.measured(done.made.choice),
            **compilation_cache.named(),
        },
        earlier_judgements=done.earlier,
        places=dict(desk.loaded.places),
    )
    return record.model_copy(update={"volatile": volatile})


def _named(record: Record, run_id: str) -> Record:
    """Return the record with its identity."""
    return record.model_copy(update={"volatile": record.volatile.model_copy(update={"run_id": run_id})})


def _pages(record: Record, desk: Desk) -> dict[str, bytes]:
    """Return the report of each configured format by its file name."""
    return {RENDER[name][0]: RENDER[name][1](record) for name in desk.loaded.config.formats}
