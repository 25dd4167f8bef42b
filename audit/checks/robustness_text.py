"""Accuracy when texts are edited a little: at random, and where a search finds the edits that do most harm."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from audit import stats
from audit.attacks.edits import EditKind
from audit.evidence import Column, Estimate, Findings, Measurement, Table
from audit.metrics.sanity import Sign, beats
from audit.registry import Context, Measure, Options, check
from audit.subject import Subject
from audit.trials import results, tables, texts
from audit.trials.texts import Texts, Tried

QUICK = {"rows": 24, "draws": 2, "words": 3, "tries": 8}  # the most that a quick run spends
REACH = 0.2  # the least share of the search's candidates whose tokens must differ
Edits = Annotated[int, Field(ge=1, le=20)]
SAYS = {"character": "characters", "word": "words"}


class TextOptions(Options):
    """Options of robustness.text."""

    kinds: tuple[EditKind, ...] = Field(
        ("character", "word"), min_length=1, description="what is edited: character, word"
    )
    edits: tuple[Edits, ...] = Field((1, 2), min_length=1, description="numbers of edits a text")
    rows: int | None = Field(500, ge=1, description="test rows tried, drawn by the seed; null: all")
    draws: int = Field(5, ge=1, description="random versions of each text")
    words: int = Field(
        5, ge=1, description="words that the search edits, those that the margin leans on most"
    )
    tries: int = Field(40, ge=1, description="edits of each such word that the search tries")
    examples: int = Field(
        0, ge=0, description="felled texts shown as they were and as edited: test rows, never unasked"
    )


@check(
    "robustness.text",
    area="robustness",
    title="Accuracy on edited texts",
    broken="counted",
    needs=("function", "text", "classes", "scores"),
    measures=(
        results.CLEAN,
        Measure(
            "edited_accuracy",
            "higher",
            "Share of randomly edited texts that are decided correctly, over several versions of each.",
            "Clopper-Pearson at the effective number of rows",
        ),
        Measure(
            "robust_accuracy",
            "higher",
            "Share of the rows that are decided correctly and for which neither random edits nor the search found "
            "a wrongly decided version; an upper bound, since a longer search may find more.",
            "Clopper-Pearson, at most",
        ),
        Measure(
            "attack_success",
            "lower",
            "Share of the correctly decided rows for which a wrongly decided version was found; a lower bound, "
            "since a longer search may find more.",
            "Clopper-Pearson, at least",
        ),
    ),
)
def text(subject: Subject, options: TextOptions, ctx: Context) -> Findings:
    """Accuracy when each test text is edited a few times: typing errors, or words lost, repeated and exchanged.

    Characters: neighbours swapped, one lost, a key beside hit as well or instead, a capital letter (after Belinkov
    and Bisk 2018). Words: one dropped, one repeated, two exchanged. Random edits give the accuracy to expect of
    careless writers; a greedy search over the words that the margin leans on (after DeepWordBug, Gao et al. 2018, and
    TextBugger, Li et al. 2019) gives an upper bound of the accuracy against someone who tries. A row felled with
    fewer edits stays felled. Every version that counts was confirmed by running the model again.
    """
    o = _within_quick(options) if ctx.quick else options
    t, budgets = texts.texts(subject, o.rows, ctx.seed), sorted(set(o.edits))
    runs = []
    for kind in dict.fromkeys(o.kinds):
        with ctx.timed(f"edits of {SAYS[kind]}"):
            runs.append(texts.tried(t, kind, budgets, o.draws, o.words, o.tries, ctx))
    signs = [sign for run in runs for sign in _signs(run, budgets)]
    measured = [_clean(t)]
    for run in runs:
        measured += _measured(t, run, budgets, tables.doubt(signs))
    shown = [_examples(t, runs, o.examples)] if o.examples else []
    return Findings(
        measurements=tuple(measured),
        tables=(_curve(measured, o), _sanity(signs), *shown),
        not_measured=_not_measured(t, o),
        cost={"forward": sum(run.asked for run in runs)},
    )


def _within_quick(o: TextOptions) -> TextOptions:
    """Return the options with no more than a quick run spends."""
    return o.model_copy(update={k: min(most, getattr(o, k) or most) for k, most in QUICK.items()})


def _fewest(run: Tried) -> np.ndarray:
    """Return the fewest edits[n] that felled each row, by whomever."""
    return np.minimum(run.by_chance, run.by_search)


def _signs(run: Tried, budgets: list[int]) -> list[Sign]:
    """Return the signs that the search works: it beats chance, and its edits reach the model."""
    strong = [run.by_search <= k for k in budgets]
    weak = [run.by_chance <= k for k in budgets]
    what = SAYS[run.kind]
    result = "pass" if run.changed >= REACH else "warn"
    reach = Sign(
        f"edits of {what} change the tokens", "", result, run.changed, f"at least {REACH:g}", len(run.found)
    )
    return [beats(f"the search beats random edits of {what} (least lead)", "", strong, weak), reach]


def _clean(t: Texts) -> Measurement:
    """Return the accuracy on the texts as they are."""
    label, estimate = "Accuracy on the texts as they are", stats.rate(t.correct, cluster=t.cluster)
    return Measurement(name="clean_accuracy", label=label, estimate=estimate, better="higher")


def _measured(t: Texts, run: Tried, budgets: list[int], doubt: str) -> list[Measurement]:
    """Return what one kind of edits does at each number of them."""
    made = []
    said = "; ".join(filter(None, (doubt, "" if run.finished else tables.OUT_OF_TIME)))
    for place, k in enumerate(budgets):
        felled, where = _fewest(run) <= k, {"edit": run.kind, "edits": k}
        at = f"{k} edit{'s' * (k > 1)} of {SAYS[run.kind]}"
        robust, success = (
            stats.rate(t.correct & ~felled, cluster=t.cluster, side="at most"),
            _success(t, felled),
        )
        made += [
            _one("edited_accuracy", f"Accuracy after {at} at random", _expected(t, run.right[:, place]), where),
            _one("robust_accuracy", f"Accuracy under a search for {at}", _doubted(robust, said), where),
            _one("attack_success", f"Success of a search for {at}", _doubted(success, said), where, "lower"),
        ]  # fmt: skip
    return made


def _one(
    name: str, label: str, estimate: Estimate, where: dict, better: Literal["higher", "lower"] = "higher"
) -> Measurement:
    """Return one measurement."""
    return Measurement(name=name, label=label, estimate=estimate, where=where, better=better)


def _doubted(estimate: Estimate, said: str) -> Estimate:
    """Return the estimate with why the search may have been too weak: it bars a PASS."""
    return estimate.model_copy(update={"doubt": said})


def _expected(t: Texts, right: np.ndarray) -> Estimate:
    """Return the share of right[draws, n], the versions of one row (and of one cluster) taken together."""
    draws, n = right.shape
    unit = np.arange(n) if t.cluster is None else np.unique(t.cluster, return_inverse=True)[1]
    if n and len(np.unique(unit)) < 2:
        return stats.not_estimable(f"all {n} rows lie in one cluster", n)
    k, effective = stats.effective_counts(right.reshape(-1), np.tile(unit, draws) if draws > 1 else unit)
    method = f"Clopper-Pearson at the effective number of rows, {draws} versions of each (Korn-Graubard)"
    return stats.rate_of(k, effective, rows=n, method=method)


def _success(t: Texts, felled: np.ndarray) -> Estimate:
    """Return the share felled of the rows decided correctly."""
    if not t.correct.any():
        return stats.not_estimable("no row is decided correctly to begin with", 0)
    cluster = None if t.cluster is None else t.cluster[t.correct]
    return stats.rate(felled[t.correct], cluster=cluster, side="at least")


def _curve(measured: list[Measurement], o: TextOptions) -> Table:
    """Return accuracy over the number of edits, at random and under the search, a series each."""
    columns = (
        Column(name="series", label="Edits", kind="text"),
        Column(name="x", label="Number of edits"),
        Column(name="value", label="Accuracy", kind="rate"),
        Column(name="low", label="Low", kind="rate"),
        Column(name="high", label="High", kind="rate"),
        Column(name="n", label="Rows", kind="count"),
    )
    clean, rows = measured[0].estimate, []
    for kind in dict.fromkeys(o.kinds):
        for name, how in (("edited_accuracy", "at random"), ("robust_accuracy", "searched")):
            own = [m for m in measured if m.name == name and m.where["edit"] == kind]
            every = [(0.0, clean), *((float(m.where["edits"]), m.estimate) for m in own)]
            rows += [(f"{kind}s {how}", x, e.value, e.low, e.high, e.n) for x, e in every]
    note = f"Random: {o.draws} versions a text. Search: {o.words} words, {o.tries} edits of each; an upper bound."
    title = "Accuracy on edited texts"
    return Table(name="edited", title=title, kind="curve", columns=columns, rows=tuple(rows), note=note)


def _sanity(signs: list[Sign]) -> Table:
    """Return the signs that the search works as a table."""
    columns = (
        Column(name="what", label="What should hold", kind="text"),
        Column(name="result", label="Result", kind="text"),
        Column(name="value", label="Seen"),
        Column(name="limit", label="Limit", kind="text"),
        Column(name="n", label="Rows", kind="count"),
    )
    rows = tuple((s.what, s.result, s.value, s.limit, s.n) for s in signs)
    note = "A search that fails these proves nothing by finding nothing; what it did find stays proof."
    return Table(name="sanity", title="Does the search work?", columns=columns, rows=rows, note=note)


def _examples(t: Texts, runs: list[Tried], most: int) -> Table:
    """Return felled texts as they were and as edited, those of the fewest edits first."""
    columns = (
        Column(name="kind", label="Edits of", kind="text"),
        Column(name="edits", label="Edits", kind="count"),
        Column(name="before", label="Text", kind="text"),
        Column(name="after", label="Edited, decided wrongly", kind="text"),
    )
    found = [
        (SAYS[run.kind], int(k), before, after)
        for run in runs
        for k, before, after in zip(_fewest(run), t.text, run.found, strict=True)
        if k < texts.NEVER
    ]
    rows = sorted(found, key=lambda row: (row[1], row[0], row[2]))[:most]
    return Table(name="examples", title="Texts that fell", columns=columns, rows=tuple(rows))


def _not_measured(t: Texts, o: TextOptions) -> tuple[str, ...]:
    """Return what no edit here says."""
    tried, rows = len(t.text), len(t.subject.data.test)
    said = [
        "Other words of the same meaning, paraphrases, letters that look alike, other languages and scripts.",
        f"More than {max(o.edits)} edits of a text, and a longer search, which may find more.",
        "Whether a reader still understands the edited text as before: a dropped word may change its meaning.",
    ]
    if tried < rows:
        said.append(f"The {rows - tried} test rows that were not drawn.")
    return tuple(said)
