"""A record that contradicts itself is refused; an executive's sentences hold no number but the record's."""

from __future__ import annotations

import re

import pytest

from reports import cards, consistency, front, html, numbers, words

EVERY = (
    "passing",
    "failing",
    "inconclusive",
    "empty_policy",
    "waived",
    "quick",
    "many_groups",
    "many_classes",
)


def changed(record, id_: str, **change):
    """The record with one decision changed."""
    return record.model_copy(
        update={
            "decisions": tuple(
                d.model_copy(update=change) if d.rule.id == id_ else d for d in record.decisions
            )
        }
    )


def revalued(record, id_: str, **change):
    """The record with one decision's estimate changed."""
    d = next(d for d in record.decisions if d.rule.id == id_)
    return changed(record, id_, estimate=d.estimate.model_copy(update=change))


@pytest.mark.parametrize("name", EVERY)
def test_the_samples_agree_with_themselves(make, name):
    assert consistency.contradiction(make.EVERY[name]()) == ""


@pytest.mark.parametrize(
    ("name", "broken", "says"),
    [
        ("failing", lambda r: r.model_copy(update={"verdict": "PASS"}), "requirements make FAIL"),
        ("failing", lambda r: r.model_copy(update={"exit_code": 0}), "exit_code=0, but"),
        ("passing", lambda r: r.model_copy(update={"exit_code": 1}), "waivers make 0"),
        ("quick", lambda r: r.model_copy(update={"exit_code": 0}), "waivers make 3"),
        ("passing", lambda r: r.model_copy(update={"quick": True}), "a quick run cannot PASS"),
        (
            "passing",
            lambda r: r.model_copy(update={"unmet": ("The policy requires x.",)}),
            "make NOT-ESTIMABLE",
        ),
        ("failing", lambda r: changed(r, "F1", bound=0.9), "rule F1 reads FAIL, but bound=0.9"),
        ("failing", lambda r: changed(r, "A1", estimate=None), "rule A1 reads PASS, but has no estimate"),
        ("failing", lambda r: revalued(r, "F1", value=0.85), "F1 reads FAIL, but estimate=0.85"),
        ("failing", lambda r: revalued(r, "F1", value=0.5), "but fairness.groups measured 0.41"),
        ("failing", lambda r: revalued(r, "A1", value=0.95), "counts are 900 of 1004"),
        ("passing", lambda r: revalued(r, "C1", value=0.01), "but calibration.reliability measured"),
        ("inconclusive", lambda r: revalued(r, "R1", value=0.75), "counts are 690 of 1000"),
    ],
)
def test_a_changed_number_is_refused(make, name, broken, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        html.render(broken(make.EVERY[name]()))


@pytest.mark.parametrize("name", EVERY)
def test_an_executives_sentences_hold_the_records_numbers_alone(make, name):
    record = make.EVERY[name]()
    known = {numbers.number(record.policy.power), "0.8"}
    for d in record.decisions:
        known.add(numbers.limit(d.rule.limit))
        where = [f"{v:g}" for v in d.where.values() if isinstance(v, float)]
        values = (
            [e.value for e in [d.estimate] if e]
            + [e.low for e in [d.estimate] if e]
            + [e.high for e in [d.estimate] if e]
        )
        known |= {*where, *(numbers.number(v) for v in [*values, d.bound] if v is not None)}
    said = [front.lead(record), front.advisory(record), *(s for _, _, s in front.tally(record))]
    said += [f"{step.what} {step.why}" for step in front.to_do(record)]
    said += [f"{c.sentence} {c.value} {c.interval}" for c in cards.cards(record)]
    said += [f.sentence for f in words.findings(record)]
    found = set(re.findall(r"\d+\.\d+", " ".join(said)))
    assert found <= known, found - known


@pytest.mark.parametrize("name", EVERY)
def test_counts_of_the_first_screen_are_the_records(make, name):
    record = make.EVERY[name]()
    judged = [d.verdict for d in record.decisions if d.rule.severity == "blocking"]
    for verdict, said, _ in front.tally(record):
        assert int(said.split()[0]) == judged.count(verdict)
    assert sum(int(said.split()[0]) for _, said, _ in front.tally(record)) == len(judged)
