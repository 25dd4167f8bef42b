"""explanation.tokens: which words of a text the decision rests on, and whether the explanation says so rightly."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from audit import stats
from audit.attribution.paths import Gradients
from audit.evidence import Estimate, Findings, Measurement, Table
from audit.games import gradient_quality as quality
from audit.games import word_tables
from audit.games.explainers import Effort
from audit.games.word_values import (
    Along,
    Explainer,
    Texts,
    agreement,
    along,
    at_random,
    integrated_words,
    shapley_words,
    texts,
)
from audit.games.wording import Wording, wording
from audit.registry import Context, Measure, Options, check
from audit.subject import Subject

QUICK = {"rows": 24, "rounds": 1, "most_steps": 64, "random_orders": 2}  # the most that a quick run spends
PAIRED = "mean of the rows' paired differences, skewness-corrected t; clustered where rows are"
NONE = "no row drawn has tokens that belong to one word each"


class TokensOptions(Options):
    """Options of explanation.tokens."""

    explainers: tuple[Explainer, ...] = Field(
        ("shapley", "integrated"),
        min_length=1,
        description="shapley: words left out and put in; integrated: gradients between embeddings",
    )
    rows: int = Field(100, ge=2, description="test rows explained, drawn by the seed")
    exact_up_to: int = Field(8, ge=1, le=12, description="most words whose every coalition is evaluated")
    rounds: int = Field(
        8, ge=1, description="most sampling rounds of Shapley values: four orders of the words"
    )
    target_error: float = Field(
        0.1, ge=0, description="a row's sampling stops at this standard error, as a share of its mean |value|"
    )
    steps: int = Field(16, ge=1, description="points on a path of integrated gradients at first")
    most_steps: int = Field(256, ge=1, description="most points on a path")
    tolerance: float = Field(
        0.01,
        gt=0,
        description="completeness error at which a path has points enough, as a share of sum |value|",
    )
    shares: tuple[float, ...] = Field(
        (0.1, 0.2, 0.5), min_length=1, description="shares of a text's words left out, or kept alone"
    )
    random_orders: int = Field(10, ge=1, description="random orders of its words a text is compared with")
    least: int = Field(
        5,
        ge=2,
        description="explained rows (writers, where rows have clusters) a word must occur in to be shown",
    )
    batch: int = Field(512, ge=1, description="texts run through the model at a time")
    examples: int = Field(
        0, ge=0, description="texts shown with their words' values: test rows, never unasked"
    )


@check(
    "explanation.tokens",
    area="explanation",
    title="Which words decisions rest on",
    needs=("function", "text", "classes", "scores"),
    measures=(
        Measure(
            "comprehensiveness_gain",
            "higher",
            "Mean fall of the probability of the class decided when the words ranked first are left out, minus that of "
            "random words: above 0 the explanation finds what the decision rests on.",
            PAIRED,
            ends=(None, None),
        ),
        Measure(
            "sufficiency_gain",
            "higher",
            "Mean fall of that probability when only random words are kept, minus that when only the words ranked "
            "first are: above 0 the words found say more than others.",
            PAIRED,
            ends=(None, None),
        ),
        Measure(
            "completeness_error",
            "lower",
            "Largest completeness error of a row: by how much its integrated gradients miss the difference of the "
            "outputs, over the sum of their absolute values.",
            "none: descriptive",
            ends=(0, None),
        ),
        Measure(
            "rank_agreement",
            "higher",
            "Mean over rows of Spearman's correlation of the words' absolute Shapley values and integrated gradients.",
            "mean over the rows compared; noise of the Shapley values lowers it",
            ends=(-1, 1),
        ),
    ),
)
def tokens(subject: Subject, options: TokensOptions, ctx: Context) -> Findings:
    """Attribute decisions on random test texts to their words, and test the attribution against random words.

    What is explained is the log-odds of the class decided. Shapley values take words for players: an absent word is
    left out and the others close up. Integrated gradients run between embeddings, from unknown tokens to the text's
    own, and a word's value is the sum over its tokens. Comprehensiveness and sufficiency (DeYoung et al. 2020) leave
    the words ranked first out, or keep them alone. Words are shown only where several rows hold them; texts never,
    unless examples are asked for.
    """
    o = options.model_copy(update={k: min(v, getattr(options, k)) for k, v in QUICK.items()})
    o = o if ctx.quick else options
    w = wording(subject, o.rows, ctx.seed)
    if not len(w.rows):
        return Findings(measurements=tuple(_nothing(o)), not_measured=_left(w, len(subject.data.test)))
    t, rng = texts(subject, w, o.batch), np.random.default_rng(ctx.seed)
    cost = {"rows_explained": len(w.rows)}
    values: dict[Explainer, np.ndarray] = {}
    tables: list[Table] = []
    measured: list[Measurement] = []
    if "shapley" in o.explainers:
        effort = Effort(o.exact_up_to, o.rounds, o.target_error, o.batch)
        with ctx.timed("shapley"):
            values["shapley"], sampled = shapley_words(t, effort, ctx.key)
        cost["shapley_evaluations"] = sampled.evaluations
    if "integrated" in o.explainers:
        with ctx.timed("integrated gradients"):
            found = integrated_words(t, steps=o.steps, most=o.most_steps, tolerance=o.tolerance)
        if isinstance(found, str):
            measured += [_of(name, "integrated", stats.not_estimable(found, len(w.rows))) for name in _GAINS]
            measured.append(_completeness(found, len(w.rows)))
        else:
            values["integrated"], gradients = found
            cost["gradient_evaluations"] = gradients.evaluations
            measured.append(_completeness(gradients, len(w.rows)))
            tables.append(quality.table(gradients, o.tolerance))
    if values:
        first = next(iter(values))
        chance = at_random(t, o.random_orders, o.shares, rng)
        curves: dict[Explainer, Along] = {name: along(t, own, o.shares, rng) for name, own in values.items()}
        for name, own in curves.items():
            measured += _gains(t, name, own, chance)
        tables = [
            word_tables.words(t, values[first], first, o.least),
            *word_tables.by_class(t, values[first], first, o.least),
            word_tables.curves(t, curves, chance, o.shares),
            *tables,
        ]
        if o.examples:
            tables.append(word_tables.shown(t, values[first], first, o.examples))
    if set(o.explainers) == {"shapley", "integrated"}:
        measured.append(_agreement(t, values))
    return Findings(
        measurements=tuple(measured),
        tables=tuple(tables),
        not_measured=_left(w, len(subject.data.test)),
        cost=cost,
    )


_GAINS: tuple[Literal["comprehensiveness_gain", "sufficiency_gain"], ...] = (
    "comprehensiveness_gain",
    "sufficiency_gain",
)


def _gains(t: Texts, name: Explainer, own: Along, chance: Along) -> list[Measurement]:
    """Bound what an explainer's first words do beyond random ones, over the texts of two words or more."""
    use, cluster = t.w.counts > 1, t.w.rows.cluster
    each = (
        own.comprehensiveness - chance.comprehensiveness,
        chance.sufficiency - own.sufficiency,
    )
    return [
        _of(gain, name, stats.mean(values[use], cluster=None if cluster is None else cluster[use]))
        if use.any()
        else _of(gain, name, stats.not_estimable("no text has two words", len(use)))
        for gain, values in zip(_GAINS, each, strict=True)
    ]


def _of(gain: str, name: Explainer, estimate: Estimate) -> Measurement:
    """Return one gain of one explainer."""
    what = gain.removesuffix("_gain").capitalize()
    label = f"{what} of {word_tables.NAMES[name]}, better than random words"
    return Measurement(name=gain, label=label, estimate=estimate, better="higher", where={"explainer": name})


def _completeness(found: Gradients | str, rows: int) -> Measurement:
    """Return the largest completeness error, or why there is none."""
    if not isinstance(found, str):
        return quality.completeness(found)
    label = "Largest completeness error of a row"
    estimate = stats.not_estimable(found, rows)
    return Measurement(name="completeness_error", label=label, estimate=estimate, better="lower")


def _agreement(t: Texts, values: dict[Explainer, np.ndarray]) -> Measurement:
    """Bound the mean rank correlation of both explainers."""
    if len(values) < 2:
        estimate = stats.not_estimable("only one of the two explainers applies", len(t.w.rows))
    else:
        estimate = quality.mean_rank(agreement(t, *values.values()), t.w.rows.cluster)
    label = "Mean rank correlation of Shapley values and integrated gradients"
    return Measurement(name="rank_agreement", label=label, estimate=estimate, better="higher")


def _nothing(o: TokensOptions) -> list[Measurement]:
    """Return the measures of texts of which no word can be told."""
    none = stats.not_estimable(NONE, 0)
    return [_of(gain, name, none) for name in o.explainers for gain in _GAINS]


def _left(w: Wording, rows: int) -> tuple[str, ...]:
    """Say what these numbers leave open."""
    said = [
        f"Test rows other than the {len(w.rows):,} of {rows:,} explained.",
        "What words do by their order and in phrases: a value is of one word, over texts without some of the others.",
        "Whether the words found are the right reasons: only that the model's output moves with them.",
        "Texts with words left out are not ones that people write: the model's answers to them are its own matter.",
    ]
    if w.unread:
        said.append(f"The {w.unread:,} rows drawn whose tokens are not those of their words one by one.")
    return tuple(said)
