"""Groups that were too small to compare, each reported alone by its check, in one sentence an attribute."""

from __future__ import annotations

import re
from collections.abc import Iterable

TOLD = re.compile(r"Not compared: (.+?) = (.+), with (\d+) rows under (\w+=\d+)\.")


def joined(texts: Iterable[str]) -> list[str]:
    """Return the sentences, those on groups of one attribute under one limit as one, where the first stood."""
    groups: dict[tuple[str, str], list[str]] = {}
    said: list[str | tuple[str, str]] = []
    for text in texts:
        told = TOLD.fullmatch(text)
        key = (told[1], told[4]) if told else None
        if told and key:
            named = groups.setdefault(key, [])
            if not named:
                said.append(key)
            named.append(f"{told[2]}, with {told[3]} rows")
        else:
            said.append(text)
    return [one if isinstance(one, str) else _sentence(*one, groups[one]) for one in said]


def _sentence(attribute: str, limit: str, named: list[str]) -> str:
    """Return who was not compared and why."""
    return f"Not compared: {attribute} = {'; '.join(named)}{', all' if len(named) > 1 else ''} under {limit}."
