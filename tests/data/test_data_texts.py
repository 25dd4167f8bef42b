"""Texts from a table: what is read, refused, split and encoded, and what stays out of the record."""

import gzip
import unicodedata
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.data import vocabulary
from audit.data.arrays import from_splits
from audit.data.roles import Roles, SplitPlan
from audit.data.texts import from_frame, load
from audit.data.vocabulary import VocabularyPlan
from audit.errors import DataError
from audit.subject import Split, Tokens

pytest.importorskip("tokenizers")
ROLES, PLAN, TOKENS = Roles("label"), SplitPlan(), VocabularyPlan("characters", 400, 8)
OPENINGS = ("please tell me", "I ask", "hello,", "now", "again", "today")
WANTS = {"card": "where my new card is", "rate": "what the exchange rate is", "pin": "how to change the pin"}


def _frame(n=90):
    rows = [(f"{OPENINGS[i % 6]} {want} {i}", label) for i in range(n // 3) for label, want in WANTS.items()]
    return pd.DataFrame(rows, columns=["text", "label"])


def _read(frame, test=None, **changes):
    how = {"roles": ROLES, "plan": PLAN, "tokens": TOKENS} | changes
    return from_frame("mine", "multiclass", frame, test, "text", **how)


def test_texts_become_ids_with_their_texts_beside_them():
    data = _read(_frame())
    assert data.modality == "text"
    assert data.classes == ("card", "pin", "rate")
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": 54, "validation": 9, "calibration": 9, "test": 18
    }  # fmt: skip
    for split in data.splits.values():
        assert split.x.dtype == np.int32
        assert split.x.shape == (len(split), 8)
        np.testing.assert_array_equal(split.x, data.tokens.encode(split.text.tolist()))
        assert split.x.max() < data.tokens.vocabulary
    some = data.test.take(np.array([3, 1]))
    assert some.text.tolist() == data.test.text[[3, 1]].tolist()


def test_the_vocabulary_is_that_of_the_training_texts_in_any_order():
    frame = _frame()
    data, turned = _read(frame), _read(frame.iloc[::-1])
    assert data.tokens.saved == turned.tokens.saved
    one = vocabulary.fit(data.splits["train"].text.tolist(), TOKENS)
    assert one.saved == data.tokens.saved
    for name, split in data.splits.items():
        assert sorted(split.text) == sorted(turned.splits[name].text)


def test_equal_texts_lie_on_one_side_whatever_their_case_and_blanks():
    frame = _frame()
    again = frame.assign(text=frame.text.str.upper().str.replace(" ", "  "))
    data = _read(pd.concat([frame, again]))
    sides = {}
    for name, split in data.splits.items():
        for text in split.text:
            sides.setdefault(" ".join(text.casefold().split()), set()).add(name)
    assert len(sides) == 90
    assert all(len(found) == 1 for found in sides.values())
    assert data.provenance.repeated_in_test == 0


def test_rows_linked_by_a_text_or_a_person_stay_together():
    frame = _frame().assign(who=[f"person {i // 2}" for i in range(90)])
    frame.loc[3, "text"] = frame.loc[0, "text"]  # links the pairs 0, 1 and 2, 3
    roles, plan = Roles("label", cluster="who"), SplitPlan(by="cluster")
    data = _read(frame, roles=roles, plan=plan)
    side = {text: name for name, split in data.splits.items() for text in split.text}
    assert len({side[frame.text[i]] for i in range(4)}) == 1
    for i in range(0, 90, 2):
        assert side[frame.text[i]] == side[frame.text[i + 1]]


def test_blank_texts_and_missing_labels_are_dropped_and_counted():
    frame = _frame()
    frame.loc[:2, "text"] = ["", " \ufeff ", None]
    frame.loc[3, "label"] = ""
    data = _read(frame)
    assert dict(data.provenance.dropped) == {"missing target": 1, "empty text": 3}
    assert sum(map(len, data.splits.values())) == 86
    with pytest.raises(DataError, match="holds no text"):
        _read(frame.assign(text=""))


def test_texts_are_composed_and_lose_their_byte_order_mark(tmp_path):
    decomposed = unicodedata.normalize("NFD", "où est ma carte à puce")
    frame = _frame()
    frame.loc[0, "text"] = f"\ufeff{decomposed}"
    path = tmp_path / "texts.csv.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + frame.to_csv(index=False).encode()))
    data = load("mine", "multiclass", path, None, "text", ROLES, PLAN, TOKENS)
    every = {text for split in data.splits.values() for text in split.text}
    assert "où est ma carte à puce" in every
    assert data.provenance.source == "texts.csv.gz"
    assert len(data.provenance.sha256) == 64


@pytest.mark.parametrize("labels", [[0, 1, 2], [0.0, 1.0, 2.0], ["0", "1", "2"], [0.5, 1.5, 2.5]])
def test_labels_may_be_numbers_or_words(labels, tmp_path):
    frame = _frame()
    frame["label"] = [labels[i % 3] for i in range(90)]
    path = tmp_path / "texts.parquet"
    frame.to_parquet(path)
    data = load("mine", "multiclass", path, None, "text", ROLES, PLAN, TOKENS)
    assert data.classes == tuple(("0.5", "1.5", "2.5") if labels[0] == 0.5 else ("0", "1", "2"))


def test_a_label_that_only_test_knows_is_refused_unless_declared():
    test = _frame(30).assign(text=lambda f: f.text + " then")
    test.loc[4, "label"] = "loan"
    with pytest.raises(DataError, match="'loan' in 1 test rows and in no training row"):
        _read(_frame(), test)
    declared = Roles("label", classes=("card", "pin", "rate", "loan"))
    assert _read(_frame(), test, roles=declared).classes[3] == "loan"


def test_a_test_file_is_judged_as_it_is_and_repeats_are_counted():
    test = _frame(30).assign(text=lambda f: f.text + " then")
    test.loc[0, "text"] = _frame().text[0].upper()
    data = _read(_frame(), test, plan=SplitPlan(validation=0, calibration=0))
    assert len(data.test) == 30
    assert data.provenance.repeated_in_test == 1


def test_one_text_with_two_labels_is_noted():
    frame = _frame()
    frame.loc[1, "text"] = frame.loc[0, "text"]
    assert "1 texts occur with more than one label" in _read(frame).provenance.notes


def test_a_script_that_the_vocabulary_never_saw_is_unknown_or_bytes():
    frame = _frame()
    pieces, by_bytes = (_read(frame, tokens=VocabularyPlan(kind, 400, 8)) for kind in ("characters", "bytes"))
    foreign = ["где моя карта", "カードはどこ"]
    first = pieces.tokens.encode(foreign)
    blank = pieces.tokens.encode(["\u2581"])[0, 0]  # how a word begins
    assert (first == 1).any(axis=1).all()
    assert set(first.ravel().tolist()) <= {0, 1, blank}
    second = by_bytes.tokens.encode(foreign)
    assert (second > 1).any(axis=1).all()
    assert (second[0] != second[1]).any()


@pytest.mark.parametrize("kind", ["characters", "bytes"])
def test_no_text_gives_a_row_of_padding_alone(kind):
    tokens = _read(_frame(), tokens=VocabularyPlan(kind, 400, 8)).tokens
    assert tokens.encode([]).shape == (0, 8)
    ids = tokens.encode(["", " ", "\u200b", "card"])
    assert (ids[:, 0] > 0).all()


def test_what_is_cut_off_or_unknown_is_noted():
    notes = _read(_frame(), tokens=VocabularyPlan(size=400, length=3)).provenance.notes
    assert "18 test texts fill all 3 tokens: what follows in them is not read" in notes
    test = _frame(30).assign(text="卡 " + _frame(30).text)
    assert "30 test texts hold a token that the vocabulary lacks" in _read(_frame(), test).provenance.notes


def test_capitals_count_only_where_they_are_asked_for():
    lower, cased = (
        _read(_frame(), tokens=VocabularyPlan(size=400, length=8, lower=low)).tokens for low in (True, False)
    )
    same = [tokens.encode(["I ask", "i ASK"]) for tokens in (lower, cased)]
    assert (same[0][0] == same[0][1]).all()
    assert (same[1][0] != same[1][1]).any()


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (_frame().drop(columns="label"), "column='label'"),
        (_frame().drop(columns="text"), "column='text'"),
        (_frame().assign(label="card"), "one class only"),
        (_frame().head(0), "no row is left"),
    ],
)
def test_unfit_tables_are_refused_in_one_line(frame, says):
    with pytest.raises(DataError, match=says) as caught:
        _read(frame)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"size": 10}, {"length": 0}, {"least": 0}])
def test_a_vocabulary_that_cannot_be_is_refused(wrong):
    with pytest.raises(DataError, match="tokens: "):
        VocabularyPlan(**wrong)


def _own():
    texts = np.array(["lost card", "card", "the rate", "rate"], object)

    def encode(given):
        return np.array([[1 + ("card" in one), len(one.split())] for one in given], np.int32)

    tokens = Tokens(encode, 5)
    return Split(encode(texts), np.array([0, 0, 1, 1]), np.array(list("abcd")), text=texts), tokens


def test_texts_with_an_encoder_of_ones_own_keep_both():
    split, tokens = _own()
    data = from_splits("mine", "binary", {"test": split}, tokens=tokens)
    assert data.modality == "text"
    assert data.tokens is tokens
    assert data.test.x.dtype == np.int32
    np.testing.assert_array_equal(data.test.x, split.x)
    assert data.test.text.tolist() == split.text.tolist()
    assert data.features == ()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"text": None}, "no text"),
        ({"x": np.ones((4, 2), np.int32)}, "x differs"),
        ({"text": np.array(["card"] * 3, object)}, "text has shape"),
    ],
)
def test_texts_that_are_not_their_tokens_are_refused(changes, says):
    split, tokens = _own()
    with pytest.raises(DataError, match=says):
        from_splits("mine", "binary", {"test": replace(split, **changes)}, tokens=tokens)


def test_ids_beyond_the_vocabulary_are_refused():
    split, tokens = _own()
    with pytest.raises(DataError, match="ids from 1 to 2"):
        from_splits("mine", "binary", {"test": split}, tokens=replace(tokens, vocabulary=2))


def test_banking77_is_read_whole(data_root):
    folder = data_root / "banking77"
    files = (folder / "train.csv.gz", folder / "test.csv.gz")
    data = load("b", "multiclass", *files, "text", Roles("category"), PLAN, VocabularyPlan())
    assert len(data.classes) == 77
    assert len(data.test) == 3080
    assert sum(len(s) for s in data.splits.values()) == 13_083
    assert (
        data.provenance.repeated_in_test == 7
    )  # but for case and blanks; the publisher's count of equal texts is 0


def test_financial_phrasebank_keeps_repeated_sentences_together(data_root):
    path = data_root / "financial_phrasebank" / "sentences_50agree.csv.gz"
    data = load("f", "multiclass", path, None, "text", Roles("label"), PLAN, VocabularyPlan())
    assert sum(len(s) for s in data.splits.values()) == 4846
    assert data.provenance.repeated_in_test == 0
    assert not any("\ufeff" in text for split in data.splits.values() for text in split.text)
