"""Behavioural tests as a configuration writes them, one frozen type a kind (Ribeiro et al. 2020)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, model_validator

from audit.evidence import Frozen

Value = str | bool | float
Name = Annotated[str, Field(min_length=1, max_length=80)]
Phrase = Annotated[str, Field(min_length=1)]
SLOT = re.compile(r"\{(\w+)\}")


class Within(Frozen):
    """What a feature's value must be for a row to count: numbers from at_least to at_most, or among categories."""

    at_least: float | None = None
    at_most: float | None = None
    among: tuple[Value, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Within:
        if (self.at_least is None and self.at_most is None) == (not self.among):
            raise ValueError("at_least or at_most for a number, or among for a category")
        return self


class _Named(Frozen):
    name: Name = Field(
        description="what the test is called, in the report and in a rule's where: {test: ...}"
    )
    score_of: str | None = Field(
        None, description="class whose probability is this test's score; null: the check's"
    )


class _Test(_Named):
    when: dict[str, Within] = Field(
        default_factory=dict, description="rows it is about, by feature; empty: all"
    )


class Changed(_Test):
    """A change of features (set to values, added to numbers) or of a text (words replaced, phrases added)."""

    set: dict[str, Value] = Field(default_factory=dict, description="values that features are set to")
    add: dict[str, float] = Field(
        default_factory=dict, description="what is added to numeric features, within their range"
    )
    replace: dict[str, Annotated[tuple[Phrase, ...], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="whole words of a text, as a regular expression, with what takes their place: a version each",
    )
    before: tuple[Phrase, ...] = Field((), description="phrases put before a text: a version each")
    after: tuple[Phrase, ...] = Field((), description="phrases put after a text: a version each")
    tolerance: float = Field(0.0, ge=0, description="a change of the score up to this is none")

    @property
    def of_text(self) -> bool:
        """Return whether the change is one of texts."""
        return bool(self.replace or self.before or self.after)

    @model_validator(mode="after")
    def _changes_something(self) -> Changed:
        if bool(self.set or self.add) == self.of_text or set(self.set) & set(self.add):
            raise ValueError(
                "set or add with at least one feature, none in both; or replace, before or after"
            )
        if self.of_text and self.when:
            raise ValueError("no when beside replace, before or after: a text has no features")
        for pattern in self.replace:
            _compiled(pattern)
        return self


class Invariance(Changed):
    """The change must leave the decision as it is; with `score: true`, or in regression, the score within tolerance."""

    kind: Literal["invariance"]
    score: bool = Field(False, description="the score is compared, with the tolerance, not the decision")


class Direction(Changed):
    """The change must not move the score the other way."""

    kind: Literal["direction"]
    expect: Literal["not_lower", "not_higher"] = Field(
        description="where the score may not go after the change"
    )


class Monotone(_Test):
    """The score must only rise, or only fall, in one numeric feature, all else as it is."""

    kind: Literal["monotone"]
    feature: str
    expect: Literal["rising", "falling"]
    points: int = Field(
        33,
        ge=3,
        le=257,
        description="values of the feature that the search tries of each row, drawn evenly over its training range",
    )
    tolerance: float = Field(
        1e-4,
        ge=0,
        description="a change of the score the wrong way, between any two values, up to this is none",
    )


class Then(Frozen):
    """What must hold of the output: the decision among classes, or bounds on the score."""

    decision: tuple[str, ...] = ()
    score_at_least: float | None = None
    score_at_most: float | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Then:
        if bool(self.decision) == (self.score_at_least is not None or self.score_at_most is not None):
            raise ValueError("decision, or score_at_least and score_at_most")
        return self


class Logic(_Test):
    """Where `when` holds, `then` must; searched too: rows moved there, then by up to `reach` against the rule."""

    kind: Literal["rule"]
    then: Then
    reach: float = Field(
        0.0,
        ge=0,
        description="how far the search moves other numeric, mutable features, in standard deviations",
    )

    @model_validator(mode="after")
    def _somewhere(self) -> Logic:
        if not self.when:
            raise ValueError("when with at least one feature")
        return self


class Example(Frozen):
    """One text, or one row by its features, and what the model must make of it: a class, one of several, a score."""

    text: str = Field("", description="a text; {word} stands for each entry of the slot of that name")
    set: dict[str, Value] = Field(
        default_factory=dict, description="values of features; the others are the base's"
    )
    expect: str | tuple[str, ...] | Then = Field(
        description="a class, classes of which one must be decided, or score_at_least and score_at_most"
    )

    @property
    def then(self) -> Then:
        """Return what must hold of the output."""
        if isinstance(self.expect, Then):
            return self.expect
        return Then(decision=(self.expect,) if isinstance(self.expect, str) else self.expect)

    @property
    def slots(self) -> tuple[str, ...]:
        """Return the names of the text's slots, once each."""
        return tuple(dict.fromkeys(SLOT.findall(self.text)))

    @model_validator(mode="after")
    def _text_or_row(self) -> Example:
        if bool(self.text.strip()) == bool(self.set):
            raise ValueError("text that is not blank, or set with at least one feature")
        if not self.expect:
            raise ValueError("expect: a class")
        return self


class Minimum(_Named):
    """Minimum functionality: written examples that the model must decide as they say.

    Examples of texts may have slots, filled from lists. Where they make more texts than `draws`, so many are
    drawn, examples alike and an example's own texts alike; else every one is tried.
    """

    kind: Literal["minimum"]
    examples: tuple[Example, ...] = Field(min_length=1, description="the examples: {text or set, expect}")
    slots: dict[str, Annotated[tuple[Phrase, ...], Field(min_length=1)]] = Field(
        default_factory=dict, description="what each {word} of the texts may be"
    )
    draws: int = Field(200, ge=2, description="filled texts tried where the slots make more of them")
    base: dict[str, Value] = Field(
        default_factory=dict,
        description="features of every example's row; all others are the training rows' median or commonest",
    )

    @property
    def of_text(self) -> bool:
        """Return whether the examples are texts."""
        return bool(self.examples[0].text)

    @model_validator(mode="after")
    def _of_one_kind(self) -> Minimum:
        if any(bool(e.text) != self.of_text for e in self.examples):
            raise ValueError("examples all of text, or all of set")
        if self.of_text and self.base:
            raise ValueError("no base: a text has no features")
        used = {name for e in self.examples for name in e.slots}
        if lost := sorted(used ^ set(self.slots)):
            raise ValueError(f"slots named in the texts and given alike, unlike {', '.join(lost)}")
        return self


Written = Annotated[Invariance | Direction | Monotone | Logic | Minimum, Field(discriminator="kind")]


def words(patterns: Iterable[str]) -> re.Pattern[str]:
    """Return what finds whole words of any pattern; `lastgroup` of a match is p and the pattern's place."""
    return re.compile(r"(?<!\w)(?:" + "|".join(f"(?P<p{i}>{p})" for i, p in enumerate(patterns)) + r")(?!\w)")


def _compiled(pattern: str) -> None:
    """Raise ValueError for what is no regular expression, or one that finds nothing at all."""
    try:
        if words([pattern]).fullmatch(""):
            raise ValueError(f"replace: {pattern!r} with words to find, not an empty text")
    except re.error as error:
        raise ValueError(f"replace: {pattern!r} as a regular expression ({error})") from None
