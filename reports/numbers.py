"""How every number, date and name of a report is written; nothing else formats."""

from __future__ import annotations

import datetime as dt
import math
import unicodedata

from audit.evidence import Estimate, Rule

MINUS = "\N{MINUS SIGN}"
NO_DATE = "date not provided"
_MONTHS = "January February March April May June July August September October November December".split()
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI"}
_MARKS = "\u200e\u200f\u061c"


def number(x: float | None, digits: int = 3) -> str:
    """Return x with `digits` decimals, fewer where it is large, two significant digits where it is tiny."""
    if x is None:
        return "no estimate"
    size = abs(x)
    if size and size < 0.5 * 10**-digits:
        text = _tiny(size)
    elif size < 100:
        text = f"{size:.{digits}f}"
    else:
        text = f"{size:,.1f}" if size < 10_000 else f"{size:,.0f}"
    return (MINUS if x < 0 else "") + text


def _tiny(size: float) -> str:
    """Return a small positive number with two significant digits."""
    exponent = math.floor(math.log10(size))
    if exponent >= -6:
        return f"{size:.{1 - exponent}f}"
    return f"{size / 10.0**exponent:.1f} × 10{str(exponent).translate(_SUPERSCRIPT)}"


def count(n: float | None) -> str:
    """Return a count with thousands separators; an effective (fractional) size keeps one decimal."""
    if n is None:
        return "not provided"
    text = f"{abs(n):,.0f}" if float(n).is_integer() else f"{abs(n):,.1f}"
    return (MINUS if n < 0 else "") + text


def about(n: float) -> str:
    """Return a count to two significant digits, for what is only estimated."""
    unit = 10 ** max(len(str(round(n))) - 2, 0)
    return count(math.ceil(n / unit) * unit)


def digits_apart(values: tuple[float | None, ...], limit: float | None) -> int:
    """Return how many decimals (3 to 8) keep values that differ from the limit apart from it."""
    if limit is None:
        return 3
    differing = [v for v in values if v is not None and v != limit]
    for digits in range(3, 9):
        if all(number(v, digits) != number(limit, digits) for v in differing):
            return digits
    return 8


def shown(estimate: Estimate, limit: float | None = None) -> tuple[str, str]:
    """Return an estimate's value and its interval '[0.382, 0.457]', never rounded onto its limit."""
    if estimate.value is None:
        return "no estimate", ""
    digits = digits_apart((estimate.value, estimate.low, estimate.high), limit)
    return number(estimate.value, digits), interval(estimate.low, estimate.high, digits)


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """Return '[0.382, 0.457]', the one bound there is, or nothing."""
    if low is None and high is None:
        return ""
    if low is None:
        return f"[at most {number(high, digits)}]"
    if high is None:
        return f"[at least {number(low, digits)}]"
    if (
        max(abs(low), abs(high)) >= 0.5 * 10**-digits
    ):  # beside a larger end, a tiny one needs no more decimals
        low, high = (0.0 if abs(end) < 0.5 * 10**-digits else end for end in (low, high))
    return f"[{number(low, digits)}, {number(high, digits)}]"


def limit(x: float) -> str:
    """Return a limit as its author wrote it, with at least two decimals where it is a fraction."""
    text = repr(abs(float(x)))
    if "e" in text:
        return number(x)
    whole, _, decimals = text.partition(".")
    decimals = "" if decimals == "0" and abs(x) > 1 else decimals.ljust(2, "0")
    return (MINUS if x < 0 else "") + f"{int(whole):,}" + (f".{decimals}" if decimals else "")


def asked(rule: Rule) -> str:
    """Return a rule's limit in words: 'at least 0.80'."""
    return f"at {'least' if rule.at_least is not None else 'most'} {limit(rule.limit)}"


def percent(x: float, digits: int = 1) -> str:
    """Return a share as a percentage without needless zeros: '95 %' (the blank doesn't break)."""
    text = f"{100 * abs(x):.{digits}f}"
    return (MINUS if x < 0 else "") + (text.rstrip("0").rstrip(".") if "." in text else text) + "\u00a0%"


def p_value(p: float) -> str:
    """Return 'p = 0.042', or 'p < 0.001'."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def plural(n: float, one: str, many: str = "") -> str:
    """Return '1 row', '2 rows'."""
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def date(when: dt.date | None) -> str:
    """Return '23 November 2026', or say that it was not provided."""
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}" if when else NO_DATE


def instant(when: dt.datetime | None) -> str:
    """Return '23 November 2026, 14:05:31' with its offset to UTC."""
    if when is None:
        return NO_DATE
    zone = when.strftime("%z")
    return f"{date(when)}, {when:%H:%M:%S}" + (" UTC" if zone == "+0000" else f" {zone}" if zone else "")


def seconds(x: float) -> str:
    """Return a duration: '0.42 s', '14 s', '6 min 12 s'."""
    if x < 10:
        return f"{x:.2f} s"
    whole = round(x)
    return f"{whole} s" if whole < 120 else f"{whole // 60:,} min {whole % 60} s"


def tick(x: float) -> str:
    """Return an axis label: '0', '.25', '1', '−3'."""
    text = f"{abs(x):,.6f}".rstrip("0").rstrip(".")
    text = text[1:] if text.startswith("0.") else text
    return (MINUS if x < 0 and text != "0" else "") + text


def visible(text: str) -> str:
    """Return text with control and direction-turning characters shown as U+FFFD, line ends and tabs kept."""
    return "".join("\ufffd" if _hides(c) else c for c in text)


def _hides(c: str) -> bool:
    """Tell whether a character would act unseen: a control, a surrogate, a direction override."""
    if c in "\n\t":
        return False
    return unicodedata.category(c) in ("Cc", "Cs") or unicodedata.bidirectional(c) in _TURNING or c in _MARKS


def name(text: object, most: int = 60) -> str:
    """Return a given name fit for a sentence: one line, clipped, a right-to-left one isolated."""
    line = visible(" ".join(str(text).replace("\u2068", " ").replace("\u2069", " ").split()))
    line = line if len(line) <= most else line[: most - 1].rstrip() + "…"
    turns = any(unicodedata.bidirectional(c) in ("R", "AL", "AN") for c in line)
    return f"\u2068{line}\u2069" if turns else line
