"""A record as it reads from disk, so that a page made in the run and one rebuilt later are the same bytes."""

from __future__ import annotations

from audit.evidence import Record


def stored(record: Record) -> Record:
    """Return the record with every mapping in the order of its stored form."""
    read = Record.model_validate_json(record.to_bytes())
    return read.model_copy(update={"unverified": record.unverified})
