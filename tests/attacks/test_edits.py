"""Edits of texts: each one operation of the edit distance, by a naive oracle; chance depends on the seed alone."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.attacks.edits import (
    BESIDE,
    character_edits,
    edits_at,
    one_edit,
    places,
    some_edits,
    without,
    word_edits,
    words,
)
from audit.metrics.edit_distance import damerau

PLAIN = st.text(alphabet="abAB1 éß.!й", min_size=0, max_size=12)


def _one_away(text):
    """Every text that one insertion, deletion, substitution or transposition makes, by brute force."""
    letters = sorted(set(text) | set("abAB1 éß.!й"))
    cuts = [(text[:i], text[i:]) for i in range(len(text) + 1)]
    found = {a + b[1:] for a, b in cuts if b}
    found |= {a + c + b for a, b in cuts for c in letters}
    found |= {a + c + b[1:] for a, b in cuts if b for c in letters}
    found |= {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    return found - {text}


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        ("", "", 0),
        ("abc", "", 3),
        ("kitten", "sitting", 3),
        ("ca", "abc", 2),  # 3 for the restricted distance: the transposed pair is edited again
        ("a cat", "an act", 2),
        ("teh", "the", 1),
    ],
)
def test_the_distance_is_the_published_one(a, b, distance):
    assert damerau(a, b) == distance
    assert damerau(b, a) == distance
    assert damerau(list(a), list(b)) == distance


@settings(max_examples=25)
@given(st.text(alphabet="ab", max_size=4), st.text(alphabet="ab", max_size=4))
def test_the_distance_is_the_shortest_path_of_single_edits(a, b):
    reached, near = {a}, {a}
    for steps in range(10):
        if b in reached:
            assert damerau(a, b) == steps
            return
        near = {c for text in near for c in _ab(text)} - reached
        reached |= near
    pytest.fail("no path of ten edits")


def _ab(text):
    """The texts of a and b that lie one edit away."""
    return {one for one in _one_away(text) if set(one) <= {"a", "b"} and len(one) <= 6}


@settings(max_examples=40)
@given(PLAIN)
def test_a_character_edit_is_one_operation_within_its_word(text):
    for start, end in words(text):
        for edited in character_edits(text, start, end):
            assert damerau(text, edited) == 1
            assert edited.startswith(text[:start])
            assert edited.endswith(text[end:])
            assert edited.strip()


def test_character_edits_are_those_they_are_said_to_be():
    edits = character_edits("ab", 0, 2)
    assert {"ba", "a", "b", "Ab", "aB"} <= set(edits)  # swapped, lost, in capitals
    beside = set(BESIDE["a"])
    assert {f"{key}b" for key in beside} <= set(edits)
    assert {f"a{key}b" for key in beside} <= set(edits)
    assert len(edits) == len(set(edits)) == 5 + 2 * len(beside) + 2 * len(BESIDE["b"])


def test_the_keyboard_is_symmetric_and_known():
    assert all(one in BESIDE[other] for one in BESIDE for other in BESIDE[one])
    assert set(BESIDE["g"]) == set("ftyhvb")


def test_a_script_without_keys_is_doubled_swapped_and_cut():
    assert set(character_edits("не", 0, 2)) == {"ен", "н", "е", "нне", "нее", "Не", "нЕ"}


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["a", "bb", "a-c", "!"]), min_size=1, max_size=5))
def test_a_word_edit_is_one_operation_on_words(given_words):
    text = " ".join(given_words)
    for place in range(places(text, "word")):
        for edited in word_edits(text, place):
            assert damerau(given_words, edited.split()) == 1


def test_word_edits_drop_repeat_and_exchange():
    assert word_edits("send my card", 1) == ["send card", "send my my card", "send card my"]
    assert word_edits("card", 0) == ["card card"]


@pytest.mark.parametrize("kind", ["character", "word"])
@settings(max_examples=40)
@given(text=PLAIN, edits=st.integers(0, 4), seed=st.integers(0, 99))
def test_random_edits_keep_to_their_number_and_seed(kind, text, edits, seed):
    once, again = (some_edits(text, kind, edits, np.random.default_rng(seed)) for _ in range(2))
    assert once == again
    of, to = (text, once) if kind == "character" else (text.split(), once.split())
    assert damerau(of, to) <= edits


@pytest.mark.parametrize("kind", ["character", "word"])
def test_every_edit_of_a_text_is_drawn_sooner_or_later(kind):
    text = "my pin"
    every = set(itertools.chain.from_iterable(edits_at(text, kind, p) for p in range(places(text, kind))))
    drawn = {one_edit(text, kind, np.random.default_rng(seed)) for seed in range(1500)}
    assert drawn == every


@pytest.mark.parametrize("text", ["", "   ", "?!", "..."])
def test_a_text_without_letters_stays_as_it_is(text):
    assert one_edit(text, "character", np.random.default_rng(0)) == text
    assert places(text, "character") == 0


def test_a_word_left_out_shows_how_much_it_matters():
    assert without("lost  card!", "character", 1) == "lost  "
    assert without("lost  card!", "word", 1) == "lost"
