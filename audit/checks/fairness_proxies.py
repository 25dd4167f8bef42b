"""fairness.proxies: what of a sensitive attribute the other features, and the model's score, give away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from audit import stats
from audit.errors import ConfigError
from audit.evidence import Column, Estimate, Findings, Measurement, Scalar, Table
from audit.metrics import proxies
from audit.metrics.clusters import inflation, rate_covariance
from audit.registry import Context, Measure, Options, check, nearest
from audit.stats.bootstrap import keys
from audit.subject import Split, Subject

PAIRS = "exact binomial at DeLong's effective number of pairs"
LEAST = "by this recogniser; a better one may find more"
MEASURES = (
    Measure(
        "proxy_auc",
        "lower",
        "Chance that a row of the group is more like the group, by its other features, than a row outside it.",
        PAIRS,
    ),
    Measure(
        "balanced_accuracy",
        "lower",
        "Mean over the groups of the share recognised by the other features; guessing gives 1 over the groups.",
        "mean of exact limits",
    ),
    Measure(
        "feature_auc",
        "lower",
        "Mean one-vs-rest AUC with which one feature alone tells the groups apart.",
        PAIRS,
    ),
    Measure(
        "score_leak",
        "lower",
        "Of rows of one true class, the largest chance of any group that the score puts its row on one side "
        "of a row outside it: max(AUC, 1 - AUC), one half under separation (equalized odds at every threshold).",
        f"{PAIRS}, simultaneous over the groups",
    ),
)


class ProxyOptions(Options):
    """What fairness.proxies looks for."""

    attributes: tuple[str, ...] = Field(
        default=(), description="sensitive attributes to recognise; empty: every one that the data declare"
    )
    rows: int = Field(
        default=10_000,
        ge=100,
        description="rows, drawn by their ids, that the recogniser is fitted on and scored on at most, each",
    )


@dataclass(frozen=True, eq=False)
class _Asked:
    """An attribute's groups[g], codes of fit[n] and of ask[m] rows (-1: not met in fitting), features, clusters."""

    names: tuple[str, ...]
    fit: np.ndarray
    ask: np.ndarray
    fit_x: np.ndarray
    ask_x: np.ndarray
    features: tuple[str, ...]
    cluster: np.ndarray | None


@check(
    "fairness.proxies",
    area="fairness",
    title="Proxies of the sensitive attributes",
    needs=("groups", "classes", "features", "probabilities"),
    measures=MEASURES,
)
def fairness_proxies(subject: Subject, options: ProxyOptions, ctx: Context) -> Findings:
    """Return how well each attribute is recognised from the other features, by which, and from the score.

    A random forest is fitted to the attribute on training rows and judged on test rows; its intervals are for that
    forest, and a better recogniser may find more. The score's leak needs none: within each true class it is
    the AUC of the model's own score for each group against the rest, so separation (Hardt, Price and Srebro 2016)
    at every threshold at once leaves it at one half.
    """
    names = _attributes(subject, options.attributes)
    measurements: list[Measurement] = []
    lines: list[tuple[Scalar, ...]] = []
    notes: list[str] = []
    for done, name in enumerate(names, start=1):
        asked = _asked(subject, name, options.rows)
        if isinstance(asked, str):
            measurements += _refused(name, asked, len(subject.data.test))
        else:
            measurements += _recognised(name, asked)
            alone = _alone(asked)
            measurements += _features(name, alone)
            lines += [(name, feature, e.value, e.low, e.high) for feature, e in alone]
            notes += _unseen(name, asked)
        measurements += _leaks(subject, name)
        ctx.tick(done, len(names))
    notes += _not_measured(subject, names)
    return Findings(measurements=tuple(measurements), tables=(_table(lines),), not_measured=tuple(notes))


# ---------------------------------------------------------------- rows


def _attributes(subject: Subject, asked: tuple[str, ...]) -> tuple[str, ...]:
    """Return the attributes to recognise: those asked for, else all; ConfigError for an unknown one."""
    known = subject.data.test.groups
    for name in asked:
        if name not in known:
            raise ConfigError(f"fairness.proxies: attributes={name!r}", nearest(name, known), "mend the list")
    return tuple(dict.fromkeys(asked)) or tuple(known)


def _asked(subject: Subject, name: str, rows: int) -> _Asked | str:
    """Return the rows to fit and to ask, without the attribute's own column, or why there are none."""
    others = [i for i, f in enumerate(subject.data.features) if f.name != name]
    train = subject.data.splits.get("train")
    if subject.data.folds is not None:
        return "every row is judged (split by folds), so that no training rows are left apart to fit on"
    if not others or train is None or not len(train) or name not in train.groups:
        return "there are no other features" if not others else "there are no training rows to fit on"
    fit, ask = _drawn(train, rows), _drawn(subject.data.test, rows)
    known, groups = _text(fit, name), _text(ask, name)
    met = sorted(set(known.tolist()))
    if len(met) < 2:
        return f"a comparison needs two groups; {name} has {len(met)} in the training rows"
    place = {group: code for code, group in enumerate(met)}
    return _Asked(
        tuple(met),
        np.array([place[group] for group in known.tolist()]),
        np.array([place.get(group, -1) for group in groups.tolist()]),
        np.asarray(fit.x)[:, others],
        np.asarray(ask.x)[:, others],
        tuple(subject.data.features[i].name for i in others),
        ask.cluster,
    )


def _drawn(split: Split, rows: int) -> Split:
    """Return at most so many rows, chosen and ordered by a hash of their ids."""
    return split.take(np.argsort(keys(split.id), kind="stable")[:rows])


def _text(split: Split, name: str) -> np.ndarray:
    """Return the rows' groups as text."""
    return np.asarray(split.groups[name]).astype(str)


# ---------------------------------------------------------------- features


def _recognised(name: str, asked: _Asked) -> Iterator[Measurement]:
    """Yield how well the forest tells each group from the rest, and all from each other."""
    chance = proxies.recognise(asked.fit_x, asked.fit, asked.ask_x)
    for code, group in enumerate(asked.names):
        found = stats.auc(chance[:, code], asked.ask == code, cluster=asked.cluster)
        yield Measurement(
            name="proxy_auc",
            label=f"AUC of {name} = {group} from the other features",
            estimate=_at_least(found),
            better="lower",
            where={"attribute": name, "group": group},
        )
    label = f"Balanced accuracy of recognising {name} from the other features"
    right = chance.argmax(axis=1) == asked.ask
    yield Measurement(
        name="balanced_accuracy",
        label=label,
        estimate=_at_least(_balanced(asked, right)),
        better="lower",
        where={"attribute": name},
    )


def _balanced(asked: _Asked, right: np.ndarray) -> Estimate:
    """Return the mean over the groups of the share of right[m] rows."""
    known = asked.ask >= 0
    met = np.unique(asked.ask[known])
    lost = [group for code, group in enumerate(asked.names) if code not in met]
    if lost or not known.any():
        return stats.not_estimable(f"group {', '.join(lost)} has no test row", n=len(right))
    factor, cluster = 1.0, asked.cluster
    if cluster is not None:
        owner = np.unique(cluster[known], return_inverse=True)[1]
        factor = inflation(rate_covariance(right[known], asked.ask[known], owner), "mean")
    counts = []
    for code in range(len(asked.names)):
        own = asked.ask == code
        rate = stats.rate(right[own], cluster=None if cluster is None else cluster[own])
        counts.append(stats.counts_of(rate, factor))
    sizes = np.bincount(asked.ask[known], minlength=len(asked.names))
    k, n = np.array(counts).T
    found = stats.groups(asked.names, k, n, sizes, of="mean")
    return found.model_copy(update={"n": int(known.sum())})


def _alone(asked: _Asked) -> list[tuple[str, Estimate]]:
    """Return with which AUC each feature alone tells the groups apart, the most telling first."""
    is_group = np.eye(len(asked.names), dtype=bool)[asked.ask] & (asked.ask >= 0)[:, None]
    told = [code for code in range(len(asked.names)) if 2 <= is_group[:, code].sum() <= len(is_group) - 2]
    found = []
    for i, feature in enumerate(asked.features):
        if not told:
            found.append((feature, stats.not_estimable("no group has two test rows", n=len(asked.ask))))
            continue
        chance = proxies.recognise_alone(asked.fit_x[:, i], asked.fit, asked.ask_x[:, i])
        area = stats.macro_auc(chance[:, told], is_group[:, told], cluster=asked.cluster)
        found.append((feature, _at_least(area)))
    return sorted(found, key=lambda pair: (-(pair[1].value or 0.0), pair[0]))


def _features(name: str, alone: list[tuple[str, Estimate]]) -> Iterator[Measurement]:
    """Yield each feature's AUC."""
    for feature, estimate in alone:
        where: dict[str, str | float | int] = {"attribute": name, "feature": feature}
        label = f"AUC of {name} from {feature} alone"
        yield Measurement(name="feature_auc", label=label, estimate=estimate, better="lower", where=where)


def _at_least(found: Estimate) -> Estimate:
    """Return what a recogniser shows: the truth of the best one is at least this."""
    return found.model_copy(update={"side": "at least", "note": LEAST})


def _refused(name: str, why: str, n: int) -> Iterator[Measurement]:
    """Yield what could not be recognised, with the reason."""
    label = f"Balanced accuracy of recognising {name} from the other features"
    yield Measurement(
        name="balanced_accuracy",
        label=label,
        estimate=stats.not_estimable(why, n=n),
        better="lower",
        where={"attribute": name},
    )


# ---------------------------------------------------------------- the score


def _leaks(subject: Subject, name: str) -> Iterator[Measurement]:
    """Yield for each true class how far the score tells a group from the rest."""
    test, score, fold = subject.data.test, _score(subject), subject.data.fold
    group = _text(test, name)
    for c, title in enumerate(subject.data.classes):
        rows = np.flatnonzero(test.y == c)
        shared = {"cluster": test.cluster, "fold": fold}
        shared = {of: None if a is None else a[rows] for of, a in shared.items()}
        if score is None:
            estimate = stats.not_estimable("several classes, none declared favourable", n=len(rows))
        else:
            estimate = _leak(score[rows], group[rows], name, shared)
        yield Measurement(
            name="score_leak",
            label=f"Leak of {name} in the score of rows that are truly {title}",
            estimate=estimate,
            better="lower",
            where={"attribute": name, "class": title},
        )


def _score(subject: Subject) -> np.ndarray | None:
    """Return the probability of the favourable class, or of class 1 of two; None where neither is."""
    probability, good = subject.probabilities(), subject.data.favourable
    if good is None and probability.shape[1] > 2:
        return None
    return probability[:, 1 if good is None else good]


def _leak(score: np.ndarray, group: np.ndarray, name: str, shared: dict[str, np.ndarray | None]) -> Estimate:
    """Return the largest max(AUC, 1 - AUC) of any group against the rest; shared: rows' cluster and fold."""
    met, sizes = np.unique(group, return_counts=True)
    if len(met) < 2:
        reason = f"a comparison needs two groups; {name} has {len(met)} in this class"
        return stats.not_estimable(reason, n=len(score))
    counts = [stats.counts_of(stats.auc(score, group == one, **shared)) for one in met]
    k, n = np.array(counts).T
    found = stats.groups(met.tolist(), k, n, sizes, of="departure")
    note = "each group against all others of the class"
    return found.model_copy(update={"n": len(score), "method": f"{PAIRS}; {found.method}", "note": note})


# ---------------------------------------------------------------- table and what was not measured


def _table(lines: list[tuple[Scalar, ...]]) -> Table:
    """Return how much each feature gives away, the most telling first."""
    columns = (
        Column(name="attribute", label="Attribute", kind="text"),
        Column(name="feature", label="Feature", kind="text"),
        Column(name="value", label="AUC alone", kind="rate"),
        Column(name="low", label="95 % low", kind="rate"),
        Column(name="high", label="95 % high", kind="rate"),
    )
    title = "Features that give an attribute away"
    return Table(name="features", title=title, columns=columns, rows=tuple(lines))


def _unseen(name: str, asked: _Asked) -> Iterator[str]:
    """Yield how many rows are of groups that no fitting row had."""
    lost = int((asked.ask < 0).sum())
    if lost:
        yield f"Recognition of {lost} rows whose {name} no training row has."


def _not_measured(subject: Subject, names: tuple[str, ...]) -> Iterator[str]:
    """Yield what no figure here says."""
    yield "What a better recogniser would find: a random forest and small trees were tried, no others."
    yield "Which features give an attribute away only together: each was tried alone, then all at once."
    yield (
        "Whether the model uses what the features give away: the leak of the score shows that groups of one true "
        "class are scored apart, not by which feature, and the attribute's own column counts in it."
    )
    yield f"Attributes other than {', '.join(names)}, and their crossings."
