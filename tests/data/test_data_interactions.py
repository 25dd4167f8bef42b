"""Interactions as a ranking dataset: the order of time, what is held out, and files that are refused."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.assemble import read_data
from audit.config import load as load_config
from audit.data import interactions
from audit.data.delimited import Delimited
from audit.data.interaction_roles import InteractionRoles, ItemRoles, UserRoles
from audit.errors import DataError

USERS = "id|age|sex\nu1|24|F\nu2|41|M\n"
ITEMS = "id|studio|war|love\na|X|1|0\nb|X|1|1\nc|Y|0|0\nz|Y|1|0\n"


def _file(folder, name, text, separator=",", names=()):
    path = folder / name
    path.write_text(text, encoding="latin-1")
    return Delimited(path, separator, names, "latin-1")


def _load(folder, lines, *, users=False, items=False, head="user,item,rating,time\n", **more):
    file = _file(folder, "events.csv", head + "".join(f"{line}\n" for line in lines))
    more = {"rating": "rating", "positive": 4, **more}
    return interactions.load(
        "tiny",
        InteractionRoles(file, **more),
        UserRoles(_file(folder, "users", USERS, "|"), "id", ("sex", "age"), {"age": (30,)})
        if users
        else None,
        ItemRoles(_file(folder, "items", ITEMS, "|"), "id", ("studio",), {"kind": ("war", "love")})
        if items
        else None,
    )


# user u1: a b c (b liked later), d disliked between; user u2: only two liked items; u3 has no user row
LINES = [
    *("u1,a,5,1", "u1,d,1,2", "u1,b,4,3", "u1,c,5,4", "u1,e,4,9", "u1,f,2,8"),
    *("u2,a,5,1", "u2,b,5,2", "u3,c,4,1", "u3,b,5,2", "u3,a,4,3"),
]


def _names(data, codes):
    """Return the letters of item codes; items are sorted by name."""
    return ["abcdef"[code - 1] for code in codes if code]


def test_the_last_liked_item_is_held_out_and_what_came_before_is_history(tmp_path):
    data = _load(tmp_path, LINES, window=3)
    test, validation = data.test, data.splits["validation"]
    by_held = {_names(data, y)[0]: i for i, y in enumerate(test.y)}
    u1, u3 = by_held["e"], by_held["a"]
    assert len(test) == 2  # u2 has too few liked items
    assert _names(data, test.x["history"][u1]) == ["a", "b", "c"]
    assert _names(data, test.x["seen"][u1]) == ["a", "d", "b", "c", "f"]
    assert _names(data, test.x["history"][u3]) == ["c", "b"]
    assert _names(data, validation.x["history"][u1]) == ["a", "b"]
    assert _names(data, validation.y[u1]) == ["c"]
    train = sorted(
        (_names(data, h), _names(data, y))
        for h, y in zip(data.splits["train"].x["history"], data.splits["train"].y, strict=True)
    )
    assert train == [(["a"], ["b"]), (["a"], ["b"])]  # of u1 and of u2; u3 has one item left
    assert data.catalogue.counts.tolist() == [2, 2, 1, 0, 0, 0]
    assert "1 users have too few liked items" in " ".join(data.provenance.notes)


def test_long_histories_are_cut_into_pieces_that_teach_every_step_once(tmp_path):
    many = [f"u1,i{i:02},5,{i}" for i in range(13)]
    train = _load(tmp_path, many, window=4).splits["train"]
    pairs = [
        (a, b) for h, y in zip(train.x["history"], train.y, strict=True) for a, b in zip(h, y, strict=True)
    ]
    assert sorted(p for p in pairs if p != (0, 0)) == [(i, i + 1) for i in range(1, 11)]
    assert train.weight.tolist() == [4, 4, 2]
    assert len(set(train.cluster)) == 1


def test_users_and_items_get_their_groups_and_the_unknown_are_said(tmp_path):
    data = _load(tmp_path, LINES, users=True, items=True)
    by_held = {_names(data, y)[0]: i for i, y in enumerate(data.test.y)}
    assert data.test.groups["sex"][by_held["e"]] == "F"
    assert data.test.groups["age"][by_held["e"]] == "under 30"
    assert data.test.groups["age"][by_held["a"]] == "(missing)"
    names, member = data.catalogue.groups["kind"]
    assert names == ("war", "love", "(missing)")
    assert member[:4].tolist() == [[1, 0, 0], [0.5, 0.5, 0], [0, 0, 1], [0, 0, 1]]
    assert data.catalogue.groups["studio"][0] == ("(missing)", "X", "Y")
    notes = " ".join(data.provenance.notes)
    assert "1 users are not in the users file" in notes
    assert "3 items are not in the items file" in notes
    assert "1 items of the items file were never met" in notes


def test_an_order_that_is_not_known_is_said(tmp_path):
    lines = [*(f"u1,{item},5,{t}" for item, t in zip("abcd", (1, 2, 3, 3), strict=True)), *LINES[6:]]
    notes = " ".join(_load(tmp_path, lines).provenance.notes)
    assert "1 interactions share their time" in notes
    assert "1 test rows hold out an item of the same time" in notes
    assert "share their time" not in " ".join(_load(tmp_path, LINES).provenance.notes)


def test_a_pair_met_twice_counts_once_at_its_first_time(tmp_path):
    data = _load(tmp_path, [*LINES, "u1,a,5,20"])
    assert data.provenance.dropped == {"a user's later interaction with the same item": 1}
    assert sorted(_names(data, data.test.y.ravel())) == ["a", "e"]


events = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 8), st.integers(1, 5), st.integers(0, 6)),
    min_size=1,
    max_size=70,
)


@settings(max_examples=60)
@given(rows=events, held_out=st.integers(1, 2), window=st.integers(1, 5))
def test_no_held_out_item_is_in_a_history_or_trained_from_later(rows, held_out, window, tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    lines = [f"u{u},i{i},{r},{t}" for u, i, r, t in rows]
    try:
        data = _load(folder, lines, held_out=held_out, window=window)
    except DataError as refused:
        assert "liked items" in str(refused)
        return
    taught = data.splits["train"]
    known = {c: set() for c in taught.cluster}
    for owner, h, y in zip(taught.cluster, taught.x["history"], taught.y, strict=True):
        known[owner] |= {*h.tolist(), *y.tolist()} - {0}
    for split in (data.test, data.splits["validation"]):
        for history, seen, held in zip(split.x["history"], split.x["seen"], split.y, strict=True):
            assert len(set(held.tolist())) == held_out
            assert not set(held.tolist()) & set(seen.tolist())
            assert set(history.tolist()) - {0} <= set(seen.tolist())
            assert (np.diff((history > 0).astype(int)) >= 0).all()  # pads come first
    assert len(set(data.test.id) | set(data.splits["validation"].id)) == 2 * len(data.test)
    again = _load(folder, lines[::-1], held_out=held_out, window=window)
    if len({(u, i) for u, i, _, _ in rows}) == len(
        rows
    ):  # of a repeated pair at one time either rating may count
        assert sorted(map(str, again.test.y.tolist())) == sorted(map(str, data.test.y.tolist()))


@pytest.mark.parametrize(
    ("lines", "more", "says"),
    [
        (["u1,a,good,1"], {}, "'rating' holds 1 values that are no number, such as 'good'"),
        (["u1,a,5,1"], {}, "no user has 3 liked items"),
        (["u1,a,5,soon"], {}, "time column 'time' holds 'soon'"),
        (["u1,a,5"], {}, "every interaction lacks"),
        (["u1,a,5,1,7"], {}, "no row of more cells"),
        ([",a,5,1"], {}, "every interaction lacks"),
        (LINES, {"user": "usr"}, "did you mean 'user'"),
        (LINES, {"positive": None}, "both, or neither"),
        (LINES, {"time": "item"}, "has two roles"),
        (LINES, {"window": 0}, "1 or more"),
    ],
)
def test_bad_interactions_are_refused_in_one_line(lines, more, says, tmp_path):
    with pytest.raises(DataError, match=says) as caught:
        _load(tmp_path, lines, **more)
    assert "\n" not in str(caught.value)


def test_bad_flags_names_and_encodings_are_refused(tmp_path):
    bad = ItemRoles(_file(tmp_path, "bad", "id,war,love\na,2,0\n"), "id", (), {"kind": ("war", "love")})
    with pytest.raises(DataError, match="flag column 'war' holds '2'"):
        interactions.load("x", InteractionRoles(_file(tmp_path, "e.csv", "user,item,time\n" + "\n".join(
            f"u,{i},{t}" for t, i in enumerate("abcd")))), None, bad)  # fmt: skip
    with pytest.raises(DataError, match="has 2 columns"):
        interactions.load(
            "x", InteractionRoles(_file(tmp_path, "two", "u,a\n", ",", ("user", "item", "time")))
        )
    accented = _file(tmp_path, "latin", "user,item,time\nJos\xe9,a,1\n")
    with pytest.raises(DataError, match="utf-8 text"):
        interactions.load("x", InteractionRoles(Delimited(accented.path)))


def test_a_configuration_reads_interactions_without_a_header(tmp_path):
    body = "\n".join(f"u{u}\ti{i}\t{4 + (i % 2)}\t{i}" for u in range(5) for i in range(6))
    (tmp_path / "e.gz").write_bytes(gzip.compress(body.encode()))
    file = {"path": str(tmp_path / "e.gz"), "separator": "\t", "names": ["user", "item", "rating", "when"]}
    columns = {"rating": "rating", "time": "when"}
    data = {"source": "interactions", "file": file, "columns": columns, "positive": 4, "window": 3}
    read = read_data(load_config({"name": "tiny", "data": data, "checks": {"accuracy.ranking": {}}}))
    assert (read.task, read.modality, len(read.test), read.catalogue.size) == (
        "ranking",
        "interactions",
        5,
        6,
    )


def test_movielens_splits_as_its_readme_counts(data_root, monkeypatch):
    monkeypatch.setenv("JAX_AUDIT_DATA", str(data_root))
    data = read_data(load_config("movielens"))
    assert data.catalogue.size == 1682
    assert len(data.test) == 942  # of 943 users, one has fewer than three liked films
    assert sorted(np.unique(data.test.groups["gender"])) == ["F", "M"]
    assert len(data.catalogue.groups["genre"][0]) == 19
    assert any(
        note.startswith("412 test rows hold out an item of the same time") for note in data.provenance.notes
    )
