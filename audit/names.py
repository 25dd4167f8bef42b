"""The one form of a value that names a category or a group, whoever wrote it: a file, an array, a rule, a test."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

MISSING = "(missing)"
INVISIBLE: dict[int, None] = dict.fromkeys(
    (0x00AD, 0x200B, 0x2060, 0xFEFF)
)  # soft hyphen, zero-width space and no-break, word joiner
WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))\.0+")  # 1.0 as a neighbour without a value makes 1
EXACT = 2**53  # from here on a float no longer tells whole numbers apart


def name_of(value: Any) -> str:
    """Return the value's name: what reads alike has one name, and only that.

    Text is NFC without outer blanks; a whole number is written without '.0', as 1, 1.0, '1' and '1.0' all are '1'
    ('01' and '1.50' stay as they are); true and false are 'True' and 'False'; bytes are UTF-8 text; dates are ISO 8601;
    None, NaN, NaT, pandas' NA and blank text are '(missing)'.
    """
    if isinstance(value, str):
        return _of_text(value)
    if isinstance(value, bytes):
        return _of_text(value.decode("utf-8", "backslashreplace"))
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return MISSING
    if type(value).__name__ in ("bool", "bool_"):
        return str(bool(value))
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real | Decimal):
        return _of_number(value)
    if isinstance(value, dt.date):
        text = value.isoformat()
        return text.removesuffix("T00:00:00")
    return MISSING if str(value) == "NaT" else _of_text(str(value))


def _of_number(value: Any) -> str:
    """Return the name of a number that may have a fraction."""
    if value != value:
        return MISSING
    whole = abs(value) < EXACT and value == int(value)
    return str(int(value)) if whole else str(value)


def _of_text(text: str) -> str:
    """Return the name that a text is."""
    plain = unicodedata.normalize("NFC", text.translate(INVISIBLE)).strip()
    if not plain:
        return MISSING
    whole = WHOLE.fullmatch(plain)
    return whole[1] if whole else plain
