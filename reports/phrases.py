"""What a measure's value says, in words: a phrase for each built-in measure, one for the rest."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from audit.evidence import Decision, Estimate, GroupRates, Measurement
from reports import numbers

_RATES = {
    "selection_rate": "selection rate",
    "true_positive_rate": "true positive rate",
    "false_positive_rate": "false positive rate",
    "positive_predictive_value": "positive predictive value",
    "false_omission_rate": "false omission rate",
    "accuracy": "accuracy",
}
_NORMS = {"inf": "L-infinity", "linf": "L-infinity", "2": "L2", "l2": "L2", "1": "L1", "l1": "L1"}


@dataclass(frozen=True)
class Case:
    """One estimate of one measure, and where it holds."""

    check: str
    name: str
    label: str
    where: dict[str, str | float | int]
    estimate: Estimate | None
    excluded: tuple[str, ...] = ()
    unit: str = ""
    eps_unit: str = ""


CROSSED = "crossed_"  # begins the names of fairness measures over crossings of attributes


@dataclass(frozen=True)
class Extremes:
    """The groups with the lowest and the highest rate, with their counts."""

    low: str
    high: str
    k_low: float
    n_low: float
    k_high: float
    n_high: float


def of_decision(decision: Decision) -> Case:
    """Return the case that a decision judged."""
    rule = decision.rule
    where = decision.where or rule.where
    label = decision.label or rule.name.replace("_", " ")
    return Case(
        rule.check,
        rule.name,
        label,
        where,
        decision.estimate,
        decision.excluded_groups,
        "",
        decision.eps_unit,
    )


def of_measurement(check: str, m: Measurement) -> Case:
    """Return the case of a measurement."""
    return Case(check, m.name, m.label, m.where, m.estimate, (), m.unit, m.eps_unit)


def extremes(case: Case) -> Extremes | None:
    """Return the groups that make a gap or ratio, or None unless they reproduce the recorded value."""
    stat = case.estimate.statistic if case.estimate else None
    if not isinstance(stat, GroupRates) or case.estimate is None or case.estimate.value is None:
        return None
    known = [
        (k / n, group, k, n)
        for group, k, n in zip(stat.groups, stat.k, stat.n, strict=True)
        if n > 0 and group not in case.excluded
    ]
    if not known:
        return None
    low, high = min(known), max(known, key=lambda row: row[0])
    found = {"difference": high[0] - low[0], "minimum": low[0], "maximum": high[0]}
    if stat.of == "ratio" and high[0] > 0:
        found["ratio"] = low[0] / high[0]
    if not math.isclose(found.get(stat.of, math.inf), case.estimate.value, rel_tol=1e-6, abs_tol=1e-9):
        return None
    return Extremes(low[1], high[1], low[2], low[3], high[2], high[3])


def group(case: Case, name: str) -> str:
    """Return a group as the data name it: 'sex = Female'."""
    attribute = case.where.get("attribute")
    return (
        f"{numbers.name(attribute, 30)} = {numbers.name(name, 40)}" if attribute else numbers.name(name, 40)
    )


def places(where: dict[str, str | float | int], eps_unit: str = "") -> str:
    """Return where a measurement holds: 'attribute = sex, ε = 0.05 standard deviations on train'."""
    of = {"eps": f" {numbers.name(eps_unit, 60)}" if eps_unit else ""}
    return ", ".join(_place(key, value) + of.get(key, "") for key, value in where.items())


def _place(key: str, value: str | float | int) -> str:
    """Return one place in words."""
    if key == "eps":
        return f"ε = {radius(value)}"
    if key == "norm":
        return norm(value)
    shown = (
        value if isinstance(value, str) else numbers.limit(value) if isinstance(value, float) else f"{value}"
    )
    return f"{numbers.name(key, 40)} = {numbers.name(shown)}"


def radius(eps: str | float | int) -> str:
    """Return an attack's radius as configured, shortest form."""
    return f"{eps:.6g}" if isinstance(eps, (int, float)) else numbers.name(eps)


def norm(value: str | float | int) -> str:
    """Return a norm's name: L-infinity, L2."""
    return _NORMS.get(str(value).lower(), numbers.name(value))


def claim(case: Case, value: str) -> str:
    """Return who or what has this value, without interval: 'The model classifies 0.854 of ...'."""
    phrase = _PHRASES.get((case.check, case.name.removeprefix(CROSSED)))
    text = phrase(case, value) if phrase else None
    return text or f"{titled(case)} is {value}" + (f" {numbers.name(case.unit, 60)}" if case.unit else "")


def titled(case: Case) -> str:
    """Return a measure's name and where it holds: 'Impact ratio (attribute = sex)'."""
    label = numbers.name(case.label, 120)
    return f"{label[:1].upper()}{label[1:]}{_unnamed(case)}"


def _unnamed(case: Case) -> str:
    """Return the places that the label does not already mention."""
    rest = {k: v for k, v in case.where.items() if not _mentions(case.label, k, v)}
    return f" ({places(rest, case.eps_unit)})" if rest else ""


def _mentions(label: str, key: str, value: str | float | int) -> bool:
    """Tell whether a label names a place already."""
    ways = {str(value), _place(key, value), radius(value) if key == "eps" else str(value)}
    return any(way in label for way in ways)


Phrase = Callable[[Case, str], str | None]


def _selection_ratio(case: Case, value: str) -> str | None:
    """Phrase an impact ratio."""
    who = extremes(case)
    if who is None:
        return None
    low, high = group(case, who.low), group(case, who.high)
    return f"Rows with {low} are selected {value} times as often as rows with {high}"


def _difference(rate: str) -> Phrase:
    """Return the phrase of the gap in one rate."""

    def phrase(case: Case, value: str) -> str | None:
        who = extremes(case)
        if who is None:
            return None
        return (
            f"The {_RATES[rate]} of {group(case, who.high)} exceeds that of {group(case, who.low)} by {value}"
        )

    return phrase


def _of_group(rate: str) -> Phrase:
    """Return the phrase of one group's rate."""

    def phrase(case: Case, value: str) -> str | None:
        if "group" not in case.where:
            return None
        return f"The {_RATES[rate]} of {group(case, str(case.where['group']))} is {value}"

    return phrase


def _accuracy_minimum(case: Case, value: str) -> str | None:
    """Phrase the accuracy of the worst group."""
    who = extremes(case)
    return f"The lowest accuracy of any group, that of {group(case, who.low)}, is {value}" if who else None


def _accuracy(case: Case, value: str) -> str:
    """Phrase overall accuracy."""
    return f"The model classifies {value} of the test rows correctly"


def _of_class(measure: str) -> Phrase:
    """Return the phrase of a class's recall, precision or F1."""

    def phrase(case: Case, value: str) -> str | None:
        return (
            f"{measure} of class {numbers.name(case.where['class'])} is {value}"
            if "class" in case.where
            else None
        )

    return phrase


def _attack(case: Case) -> str:
    """Return 'FGSM within L-infinity ε = 0.1', as far as the record says."""
    name = {"fgsm": "FGSM", "pgd": "PGD", "autoattack": "AutoAttack", "minimum": "minimum-norm search"}.get(
        case.check.rpartition(".")[2], case.check
    )
    size = " ".join(
        part
        for part in (
            norm(case.where["norm"]) if "norm" in case.where else "",
            f"ε = {radius(case.where['eps'])} {numbers.name(case.eps_unit, 60)}".rstrip()
            if "eps" in case.where
            else "",
        )
        if part
    )
    return f"{name} within {size}" if size else name


def _robust_accuracy(case: Case, value: str) -> str:
    """Phrase what an attack leaves."""
    return f"Against {_attack(case)}, {value} of the rows stay correct"


def _attack_success(case: Case, value: str) -> str:
    """Phrase the share of correct rows that an attack flips."""
    return f"{_attack(case)} flips {value} of the rows that were correct"


def _importance(case: Case, value: str) -> str | None:
    """Phrase a feature's mean absolute Shapley value."""
    if "feature" not in case.where:
        return None
    return f"The mean absolute Shapley value of {numbers.name(case.where['feature'])} is {value}"


def _gradient(case: Case, value: str) -> str | None:
    """Phrase a feature's mean absolute gradient along the path."""
    if "feature" not in case.where:
        return None
    return f"The mean absolute gradient attribution of {numbers.name(case.where['feature'])} is {value}"


def _reliance(case: Case, value: str) -> str | None:
    """Phrase the share of the attribution that an attribute's own column carries."""
    if "attribute" not in case.where:
        return None
    return f"The attribute {numbers.name(case.where['attribute'])} itself carries {value} of all attribution"


def _calibration_error(case: Case, value: str) -> str:
    """Phrase the calibration error, of everyone or of a group."""
    of = f" for {group(case, str(case.where['group']))}" if "group" in case.where else ""
    return f"Stated probabilities{of} lie {value} from observed frequencies"


def _behaviour(case: Case, value: str) -> str | None:
    """Phrase the share that breaks a declared behaviour; its label says of what: 'Rows that break the test “x”'."""
    what, _, did = case.label.partition(" that ")
    return f"{value} of the {what.lower()} {numbers.name(did, 120)}" if did else None


_PHRASES: dict[tuple[str, str], Phrase] = {
    ("accuracy.overall", "accuracy"): _accuracy,
    ("accuracy.overall", "recall"): _of_class("Recall"),
    ("accuracy.overall", "precision"): _of_class("Precision"),
    ("accuracy.overall", "f1"): _of_class("F1"),
    ("robustness.fgsm", "robust_accuracy"): _robust_accuracy,
    ("robustness.pgd", "robust_accuracy"): _robust_accuracy,
    ("robustness.autoattack", "robust_accuracy"): _robust_accuracy,
    ("robustness.minimum", "robust_accuracy"): _robust_accuracy,
    ("robustness.fgsm", "attack_success"): _attack_success,
    ("robustness.pgd", "attack_success"): _attack_success,
    ("robustness.autoattack", "attack_success"): _attack_success,
    ("robustness.minimum", "attack_success"): _attack_success,
    ("fairness.groups", "impact_ratio"): _selection_ratio,
    ("fairness.groups", "accuracy_minimum"): _accuracy_minimum,
    **{("fairness.groups", f"{rate}_difference"): _difference(rate) for rate in _RATES},
    **{("fairness.groups", rate): _of_group(rate) for rate in _RATES},
    ("explanation.shapley", "importance"): _importance,
    ("explanation.shapley", "reliance"): _reliance,
    ("explanation.gradients", "importance"): _gradient,
    ("calibration.reliability", "calibration_error"): _calibration_error,
    ("calibration.reliability", "group_calibration_error"): _calibration_error,
    ("behaviour.tests", "violation_rate"): _behaviour,
    ("behaviour.tests", "searched_violation_rate"): _behaviour,
}
