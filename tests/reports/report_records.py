"""Synthetic records with consistent numbers: every verdict, hostile names, many groups, many classes."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

from audit import stats
from audit.evidence import (
    CheckResult,
    Column,
    Concern,
    DataFacts,
    Decision,
    Estimate,
    Facts,
    FeatureFacts,
    Findings,
    Measurement,
    ModelFacts,
    Policy,
    Record,
    Rule,
    Table,
    Verdict,
    Volatile,
    Waiver,
)

HOSTILE = "<script>alert('x')</script>\u202e\"&amp;<img src=x onerror=alert(1)>"
LONG = "Extraordinarilylongunbrokengroupname" * 12
SEX = {"Female": (557, 4913), "Male": (2749, 10147)}
WHEN = dt.datetime(2026, 11, 23, 14, 5, 31, tzinfo=dt.UTC)


def columns(*names: str, text: tuple[str, ...] = (), count: tuple[str, ...] = ()) -> tuple[Column, ...]:
    def kind(name: str) -> Any:
        return "text" if name in text else "count" if name in count else "rate"

    return tuple(Column(name=n, label=n.replace("_", " "), kind=kind(n)) for n in names)


def measured(name: str, label: str, estimate: Estimate, **where: Any) -> Measurement:
    return Measurement(name=name, label=label, estimate=estimate, where=where)


def rule(id_: str, measure: str, severity: Any = "blocking", **given: Any) -> Rule:
    given.setdefault("because", "the owner asks for it")
    return Rule(id=id_, measure=measure, severity=severity, **given)


def decide(r: Rule, m: Measurement | None, verdict: Verdict, **given: Any) -> Decision:
    """Return a decision whose bound lies where its verdict says."""
    estimate = m.estimate if m else None
    if estimate and estimate.value is not None and verdict in ("PASS", "FAIL"):
        low_side = (r.at_least is not None) == (verdict == "PASS")
        given.setdefault("bound", estimate.low if low_side else estimate.high)
        given.setdefault("bound_level", 0.95)
    where = m.where if m else r.where
    label = m.label if m else r.measure
    return Decision(rule=r, verdict=verdict, where=where, estimate=estimate, label=label, **given)


# ---------------------------------------------------------------- checks


def accuracy(classes: tuple[str, ...] = ("<=50K", ">50K")) -> CheckResult:
    k = len(classes)
    right, wrong = 900 // k, 100 // (k * max(k - 1, 1)) + 1
    matrix = [[right if i == j else wrong + (i * 7 + j) % 3 for j in range(k)] for i in range(k)]
    n, hits = sum(map(sum, matrix)), sum(matrix[i][i] for i in range(k))
    recall = tuple(
        measured(
            "recall", f"Recall, class = {c}", stats.rate_of(matrix[i][i], sum(matrix[i])), **{"class": c}
        )
        for i, c in enumerate(classes)
    )
    table = Table(
        name="confusion",
        title="Confusion matrix (rows: true class, columns: predicted class)",
        kind="matrix",
        columns=(
            Column(name="true", label="True class", kind="text"),
            *(Column(name=f"predicted {c}", label=c, kind="count") for c in classes),
        ),
        rows=tuple((c, *matrix[i]) for i, c in enumerate(classes)),
    )
    loss = stats.descriptive(0.318, n, "mean")
    findings = Findings(
        measurements=(
            measured("accuracy", "Accuracy", stats.rate_of(hits, n)),
            *recall,
            measured("log_loss", "Log loss", loss),
        ),
        tables=(table,),
        not_measured=("Whether the labels are right: the recorded outcomes are taken as true.",),
    )
    return CheckResult(
        check="accuracy.overall", area="accuracy", title="Accuracy", status="ok", findings=findings
    )


def fairness(groups: dict[str, tuple[int, int]] | None = None, attribute: str = "sex") -> CheckResult:
    groups = groups or SEX
    names, k, n = tuple(groups), tuple(v[0] for v in groups.values()), tuple(v[1] for v in groups.values())
    rows, rates = [], []
    for name, (hits, size) in groups.items():
        for metric, (a, b) in {
            "selection_rate": (hits, size),
            "true_positive_rate": (math.ceil(hits * 0.6), max(hits, 0)),
            "accuracy": (math.ceil(size * 0.85), size),
        }.items():
            e = stats.rate_of(a, b)
            rows.append((attribute, name, metric, a, b, e.value, e.low, e.high))
            label = f"{metric.replace('_', ' ').capitalize()}, {attribute} = {name}"
            rates.append(measured(metric, label, e, attribute=attribute, group=name))
    ratio = stats.groups(names, k, n, n, of="ratio")
    gap = stats.groups(names, k, n, n, of="difference")
    table = Table(
        name="groups",
        title="Rates by group",
        kind="groups",
        columns=columns(
            "attribute",
            "group",
            "metric",
            "k",
            "n",
            "value",
            "low",
            "high",
            text=("attribute", "group", "metric"),
            count=("k", "n"),
        ),
        rows=tuple(rows),
    )
    findings = Findings(
        measurements=(
            *rates,
            measured("impact_ratio", f"Impact ratio by {attribute}", ratio, attribute=attribute),
            measured(
                "selection_rate_difference",
                f"Selection rate difference by {attribute}",
                gap,
                attribute=attribute,
            ),
        ),
        tables=(table,),
        not_measured=(
            "Causal fairness: a gap is a difference between groups, not an effect of the attribute.",
        ),
    )
    return CheckResult(
        check="fairness.groups", area="fairness", title="Group fairness", status="ok", findings=findings
    )


def robustness(robust: tuple[int, ...] = (842, 790, 690, 420)) -> CheckResult:
    n, eps = 1000, (0.0, 0.02, 0.05, 0.1)
    rows, found = [], []
    for x, k in zip(eps, robust, strict=True):
        e = stats.rate_of(k, n).model_copy(update={"side": "at most"})
        rows.append(("L-infinity", x, e.value, e.low, e.high, n))
        if x:
            found.append(
                measured(
                    "robust_accuracy", f"Accuracy under PGD, L-infinity, eps {x:g}", e, norm="linf", eps=x
                )
            )
    table = Table(
        name="robust_accuracy",
        title="Accuracy under PGD",
        kind="curve",
        columns=(
            Column(name="series", label="Norm", kind="text"),
            Column(name="x", label="eps"),
            Column(name="value", label="Accuracy", kind="rate"),
            Column(name="low", label="Low", kind="rate"),
            Column(name="high", label="High", kind="rate"),
            Column(name="n", label="Rows", kind="count"),
        ),
        rows=tuple(rows),
        note="PGD with 40 steps, 1 random start, cross-entropy loss. Upper bounds: a stronger attack may find more.",
    )
    sanity = Table(
        name="sanity",
        title="Does the attack work?",
        columns=columns("what", "norm", "result", "value", text=("what", "norm", "result")),
        rows=(("many steps beat one (least lead)", "L-infinity", "ok", 0.031),),
    )
    return CheckResult(
        check="robustness.pgd",
        area="robustness",
        title="Accuracy under an iterative attack (PGD)",
        status="ok",
        options={"norms": ["linf"], "eps": [0.02, 0.05, 0.1], "steps": 40},
        findings=Findings(
            measurements=tuple(found),
            tables=(table, sanity),
            not_measured=("Certified robustness: no lower bound is given.",),
            cost={"forward": 120_000, "gradient": 40_000},
        ),
    )


def calibration() -> CheckResult:
    bins = []
    for i in range(10):
        size, stated = 300 - 20 * i, 0.05 + 0.1 * i
        e = stats.rate_of(round(size * min(stated + 0.02 * (i % 3), 1)), size)
        bins.append((i / 10, (i + 1) / 10, stated, e.value, e.low, e.high, size))
    table = Table(
        name="reliability",
        title="Reliability of the probability of >50K",
        kind="reliability",
        columns=columns("lower", "upper", "confidence", "accuracy", "low", "high", "n", count=("n",)),
        rows=tuple(bins),
    )
    error = stats.normal(0.0009, 0.0004, 2100, link="square", method="normal on the debiased square")
    ece = stats.descriptive(0.021, 2100, "ECE, 15 equal-width bins")
    findings = Findings(
        measurements=(
            measured("calibration_error", "Calibration error of the probability of >50K", error),
            measured("ece_15", "ECE (15 equal-width bins)", ece),
        ),
        tables=(table,),
    )
    return CheckResult(
        check="calibration.reliability",
        area="calibration",
        title="Calibration",
        status="ok",
        findings=findings,
    )


def explanation(features: int = 8) -> CheckResult:
    names = [f"feature {i}" for i in range(features)]
    found = [
        measured(
            "importance",
            f"Mean |Shapley value| of {name}",
            stats.normal(math.log(1 / (i + 1)), 0.05, 200, link="log", method="mean over the explained rows"),
            feature=name,
        )
        for i, name in enumerate(names)
    ]
    table = Table(
        name="importance",
        title="What the model's outputs rest on",
        kind="importance",
        columns=columns("feature", "value", "low", "high", text=("feature",)),
        rows=tuple(
            (n, m.estimate.value, m.estimate.low, m.estimate.high) for n, m in zip(names, found, strict=True)
        ),
    )
    share = stats.normal(
        -3.0, 0.3, 200, link="logit", method="ratio of means, delta method on the logit scale"
    )
    findings = Findings(
        measurements=(
            *found,
            measured("reliance", "Share of the explanation carried by sex", share, attribute="sex"),
        ),
        tables=(table,),
    )
    return CheckResult(
        check="explanation.shapley",
        area="explanation",
        title="Explanation (Shapley values)",
        status="ok",
        findings=findings,
    )


def find(result: CheckResult, name: str, **where: Any) -> Measurement:
    return next(
        m
        for m in result.findings.measurements
        if m.name == name and all(m.where.get(k) == v for k, v in where.items())
    )


# ---------------------------------------------------------------- whole records


def facts(name: str = "adult census", model: str = "adult-mlp") -> Facts:
    loss = Table(
        name="loss",
        title="Loss by epoch",
        kind="loss",
        columns=columns("epoch", "train", "validation", count=("epoch",)),
        rows=tuple((e, 0.7 / math.sqrt(e), 0.7 / math.sqrt(e) + 0.02 + 0.002 * e) for e in range(1, 21)),
    )
    return Facts(
        data=DataFacts(
            name=name,
            task="binary",
            modality="table",
            target="income",
            classes=("<=50K", ">50K"),
            favourable=">50K",
            splits={"train": 26049, "validation": 3256, "calibration": 3256, "test": 15060},
            features=(
                FeatureFacts(name="age", kind="numeric", unit="years", mutable=False),
                FeatureFacts(name="hours", kind="numeric"),
            ),
            groups={"sex": {"Female": 4913, "Male": 10147}},
            source="UCI Adult",
            licence="CC BY 4.0",
            sha256="5b" * 32,
            dropped={"a value is missing": 3620},
            repeated_in_test=4,
        ),
        model=ModelFacts(
            name=model,
            network="mlp",
            parameters=21954,
            outputs="logits",
            decision="class 1 when its probability is at least 0.5",
            differentiable=True,
            sha256="a4" * 32,
            origin="trained here",
            training=loss,
        ),
        system={"provider": "", "intended_use": "Pre-screening; a person decides."},
        software={"jax": "0.10.2", "flax": "0.12.8"},
    )


def record(
    results: tuple[CheckResult, ...],
    decisions: tuple[Decision, ...],
    verdict: Verdict,
    exit_code: int,
    **given: Any,
) -> Record:
    given.setdefault("facts", facts())
    given.setdefault("name", "adult-income")
    given.setdefault(
        "volatile", Volatile(run_id="20261123T140531Z-adult", judged=WHEN, seconds={"train": 12.3})
    )
    policy = given.pop("policy", None) or Policy(
        name="hiring-screen", version="1.2", rules=tuple(d.rule for d in decisions)
    )
    return Record(
        tool="jax-audit 0.1.0",
        config={"name": "adult", "seed": 7, "checks": {r.check: {} for r in results}},
        results=results,
        policy=policy,
        decisions=decisions,
        verdict=verdict,
        exit_code=exit_code,
        not_measured=("Privacy (membership inference) was not measured: no check of it was configured.",),
        **given,
    )


def passing(**given: Any) -> Record:
    results = (
        accuracy(),
        fairness({"Female": (1300, 4913), "Male": (2749, 10147)}),
        robustness(),
        calibration(),
        explanation(),
    )
    a, f, r, c, e = results
    decisions = (
        decide(
            rule("F1", "fairness.groups.impact_ratio", at_least=0.8, source="29 CFR 1607.4(D)"),
            find(f, "impact_ratio"),
            "PASS",
        ),
        decide(
            rule("R1", "robustness.pgd.robust_accuracy", at_least=0.6, where={"eps": 0.05}),
            find(r, "robust_accuracy", eps=0.05),
            "PASS",
        ),
        decide(
            rule("C1", "calibration.reliability.calibration_error", at_most=0.08),
            find(c, "calibration_error"),
            "PASS",
        ),
        decide(rule("E1", "explanation.shapley.reliance", at_most=0.2), find(e, "reliance"), "PASS"),
        decide(rule("A1", "accuracy.overall.accuracy", at_least=0.8), find(a, "accuracy"), "PASS"),
    )
    return record(results, decisions, "PASS", 0, **given)


def doubted() -> Record:
    """A record inside every limit whose subject is in doubt, under a policy weaker than what it includes."""
    doubt = Concern(
        name="one_decision",
        says="all 4,000 test rows are decided to be '>50K', so that equal treatment of groups is no evidence",
        todo="audit rows of which some are decided otherwise",
        touches=("fairness.groups.*",),
        evidence={"rows": 4000},
    )
    sure = passing()
    first, *rest = sure.decisions
    why = (
        f"Impact ratio is 0.98 [0.95, 1.01], inside the required 0.80, but it can't show PASS: {doubt.says}."
    )
    barred = first.model_copy(update={"verdict": "INCONCLUSIVE", "cause": doubt.name, "reason": why})
    weaker = ("F1 of four-fifths asks for at least 0.5 here, at least 0.8 there",)
    return sure.model_copy(
        update={
            "concerns": (doubt,),
            "decisions": (barred, *rest),
            "verdict": "INCONCLUSIVE",
            "exit_code": 3,
            "policy": sure.policy.model_copy(update={"weakened": weaker}),
        }
    )


def failing(**given: Any) -> Record:
    results = (accuracy(), fairness(), robustness(), calibration(), explanation())
    a, f, r, c, e = results
    none = stats.not_estimable("41 rows, none with income above 50k", n=41)
    lost = measured(
        "true_positive_rate_difference",
        "True positive rate difference by sex x race",
        none,
        attribute="sex x race",
    )
    decisions = (
        decide(
            rule("A1", "accuracy.overall.accuracy", at_least=0.8),
            find(a, "accuracy"),
            "PASS",
        ),
        decide(
            rule(
                "F1",
                "fairness.groups.impact_ratio",
                at_least=0.8,
                because="the four-fifths rule",
                source="29 CFR 1607.4(D)",
                controls=("NIST AI RMF MEASURE 2.11",),
            ),
            find(f, "impact_ratio"),
            "FAIL",
            p_fail=1e-9,
        ),
        decide(
            rule("F3", "fairness.groups.true_positive_rate_difference", at_most=0.1),
            lost,
            "NOT-ESTIMABLE",
            reason="41 rows, none with income above 50k",
        ),
        decide(
            rule("R1", "robustness.pgd.robust_accuracy", at_least=0.7, where={"eps": 0.05}),
            find(r, "robust_accuracy", eps=0.05),
            "INCONCLUSIVE",
            rows_needed=9100,
        ),
        decide(
            rule("C1", "calibration.reliability.calibration_error", at_most=0.08),
            find(c, "calibration_error"),
            "PASS",
        ),
        decide(
            rule("E1", "explanation.shapley.reliance", "advisory", at_most=0.03),
            find(e, "reliance"),
            "INCONCLUSIVE",
            rows_needed=700,
        ),
    )
    return record(results, decisions, "FAIL", 1, **given)


def inconclusive(**given: Any) -> Record:
    results = (accuracy(), robustness())
    a, r = results
    decisions = (
        decide(rule("A1", "accuracy.overall.accuracy", at_least=0.8), find(a, "accuracy"), "PASS"),
        decide(
            rule("R1", "robustness.pgd.robust_accuracy", at_least=0.7, where={"eps": 0.05}),
            find(r, "robust_accuracy", eps=0.05),
            "INCONCLUSIVE",
            rows_needed=9100,
        ),
    )
    return record(results, decisions, "INCONCLUSIVE", 3, **given)


def empty_policy(**given: Any) -> Record:
    crashed = CheckResult(
        check="fairness.groups",
        area="fairness",
        title="Group fairness",
        status="error",
        reason="ValueError: no group has two rows",
    )
    skipped = CheckResult(
        check="explanation.shapley",
        area="explanation",
        title="Explanation",
        status="skipped",
        reason="the model is a file of scores",
    )
    return record((accuracy(), crashed, skipped), (), "NOT-ESTIMABLE", 3, **given)


def waived(**given: Any) -> Record:
    base = failing()
    waiver = Waiver(rule="F1", who="A. Person", why="pilot with ten users", until=dt.date(2027, 1, 31))
    decisions = tuple(
        d.model_copy(update={"waiver": waiver}) if d.rule.id == "F1" else d for d in base.decisions
    )
    return base.model_copy(update={"decisions": decisions, "exit_code": 3, **given})


def quick(**given: Any) -> Record:
    base = passing()
    decisions = tuple(d.model_copy(update={"verdict": "INCONCLUSIVE"}) for d in base.decisions)
    told = {"quick": True, "verdict": "INCONCLUSIVE", "exit_code": 3, "decisions": decisions}
    return base.model_copy(update={**told, **given})


def hostile(text: str = HOSTILE) -> Record:
    f = fairness({text: (557, 4913), LONG: (2749, 10147)}, attribute=text)
    a = accuracy((text, LONG))
    crashed = CheckResult(check="plugin.x", area="privacy", title=text, status="error", reason=text)
    decisions = (
        decide(
            rule(text, "fairness.groups.impact_ratio", at_least=0.8, because=text, source=text),
            find(f, "impact_ratio"),
            "FAIL",
            reason=text,
        ),
        decide(rule("A", "accuracy.overall.recall", at_least=0.2, because=LONG), find(a, "recall"), "PASS"),
    )
    return record((a, f, crashed), decisions, "FAIL", 1, name=text, facts=facts(text, LONG))


def many_groups(n: int = 200) -> Record:
    groups = {f"group {i}": (40 + i % 37, 150 + i) for i in range(n)}
    f = fairness(groups, attribute="municipality")
    decisions = (
        decide(rule("F1", "fairness.groups.impact_ratio", at_least=0.8), find(f, "impact_ratio"), "FAIL"),
    )
    return record((f,), decisions, "FAIL", 1)


def many_classes(n: int = 100) -> Record:
    a = accuracy(tuple(f"class {i}" for i in range(n)))
    decisions = (decide(rule("A1", "accuracy.overall.accuracy", at_least=0.02), find(a, "accuracy"), "PASS"),)
    return record((a,), decisions, "PASS", 0)


EVERY = {
    "passing": passing,
    "failing": failing,
    "inconclusive": inconclusive,
    "empty_policy": empty_policy,
    "waived": waived,
    "quick": quick,
    "doubted": doubted,
    "hostile": hostile,
    "many_groups": many_groups,
    "many_classes": many_classes,
}
