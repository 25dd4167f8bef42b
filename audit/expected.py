"""What a record is about, by digest, and whether that is what was expected: no other run can stand in its place."""

from __future__ import annotations

import re
from collections.abc import Sequence

from audit.errors import ConfigError
from audit.evidence import Record, policy_digest
from audit.registry import nearest

KEYS = ("model", "data", "test", "policy", "record")
_PREFIX = re.compile("[0-9a-f]{8,64}")


def digests(record: Record) -> dict[str, str]:
    """Return the SHA-256 of what a record is about: model, all rows, test rows, policy, and the record itself."""
    rows = {key: record.digests.get(key, "") for key in ("data", "test")}
    return {
        "model": record.facts.model.sha256,
        **rows,
        "policy": policy_digest(record.policy),
        "record": record.digest,
    }


def parsed(given: Sequence[str]) -> list[tuple[str, str]]:
    """Return each KEY=SHA as a pair; ConfigError for an unknown key or what is no digest.

    SHA is a SHA-256 in hexadecimal digits or its first eight or more.
    """
    pairs = []
    for text in given:
        key, _, digest = text.partition("=")
        if key not in KEYS:
            raise ConfigError(f"--expect {text!r}", nearest(key, KEYS), "write KEY=SHA")
        if not _PREFIX.fullmatch(digest.lower()):
            wanted = "a SHA-256 in hexadecimal, or its first 8 digits or more"
            raise ConfigError(f"--expect {text!r}", wanted, "jax-audit verify RUN prints them")
        pairs.append((key, digest.lower()))
    return pairs


def problems(record: Record, expected: Sequence[tuple[str, str]]) -> list[str]:
    """Return a sentence for each digest that is not the expected one; empty where all are."""
    found = digests(record)
    return [
        f"{key}: expected {digest}, the record is about {found[key] or 'none'}"
        for key, digest in expected
        if not found[key].startswith(digest)
    ]
