"""explanation.tokens against models that add up words, naive recomputation, and what it must not show."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audit.attribution.words import closed_up, on_words, opened, packed, table_of
from audit.checks.explanation_tokens import TokensOptions, tokens
from audit.games.explainers import Effort
from audit.games.word_values import along, at_random, integrated_words, shapley_words, texts
from audit.games.wording import plain, wording
from audit.subject import Subject, Tokens, observe
from models.build import build

EXACT = Effort(exact_up_to=8, rounds=1, target_error=0.0, batch=2048)
SHARES = (0.1, 0.2, 0.5)


def _rows(subject: Subject, n: int, **more) -> Subject:
    """The subject's first test rows."""
    test = subject.data.test.take(np.arange(n))
    data = replace(subject.data, splits={**subject.data.splits, "test": replace(test, **more)})
    return Subject(subject.model, data, {"test": subject.outputs["test"][:n]})


def _two(subject: Subject, unknown: float = 0.0) -> Subject:
    """The words' sums as log-odds of class 1 of two: card or rate against everything else."""
    table = np.asarray(subject.model.params["table"])
    weight = np.round(table[:, [0]] - table[:, [1]] + 0.7 * table[:, [2]] - 0.15, 3)
    weight[0], weight[1] = 0.0, unknown
    data = replace(subject.data, task="binary", classes=("no", "yes"), favourable=1)
    data = replace(data, splits={k: replace(s, y=s.y % 2) for k, s in data.splits.items()})
    model = replace(subject.model, params={"table": jnp.asarray(weight)})
    return observe(model, data)


# ---------------------------------------------------------------- texts as words


def test_words_that_are_left_out_leave_no_gap():
    x = packed([[[5, 6], [7]], [[8], [9, 3, 4]], []])
    assert x.shape == (3, 2, 3)
    for length in (3, 8):
        ids = np.asarray(closed_up(x, length))
        naive = [[*(i for i in row.ravel() if i), *[0] * length][:length] for row in x]
        naive[2][0] = 1  # a text without a word is one unknown token
        np.testing.assert_array_equal(ids, naive)
    without = x.copy()
    without[0, 0] = 0
    assert np.asarray(closed_up(without, 4))[0].tolist() == [7, 0, 0, 0]
    f = on_words(lambda p, ids: ids.sum(axis=1, keepdims=True), 8)
    assert np.asarray(f(None, x))[:, 0].tolist() == [18, 24, 1]


@pytest.mark.parametrize(
    ("network", "options"),
    [
        ("transformer", {"layers": 1, "width": 8, "heads": 2, "hidden": 8}),
        ("gru", {"embedding": 4, "hidden": 4}),
    ],
)
def test_a_network_cut_open_behind_its_embeddings_gives_its_own_outputs(network, options):
    made = build(network, shape=(6,), outputs=3, seed=0, options=options, vocabulary=40)
    ids = np.array([[3, 9, 39, 1, 0, 0], [2, 2, 2, 5, 8, 7], [4, 0, 0, 0, 0, 0]])
    leaf = table_of(made.params, 40)
    embed, rest = opened(made.apply, leaf)
    h = embed(made.params, ids)
    np.testing.assert_allclose(rest(made.params, h), made.apply(made.params, ids), atol=1e-5)
    moved = rest(made.params, jnp.asarray(h).at[2, 4, :-1].add(9.0))  # padding is read by nobody
    np.testing.assert_allclose(moved, made.apply(made.params, ids), atol=1e-5)


def test_no_table_or_two_are_not_guessed():
    assert table_of({"a": np.zeros((7, 2)), "b": np.zeros(7)}, 7) == 0
    assert table_of({"a": np.zeros((7, 2)), "b": np.zeros((7, 3))}, 7) is None
    assert table_of({"a": np.zeros((6, 2))}, 7) is None


def test_rows_whose_tokens_cross_words_are_left_out(text_subject):
    real = text_subject.data.tokens

    def crossing(given):
        ids = np.array(real.encode(given))
        if len(ids):
            ids[["lost" in one and len(one.split()) > 1 for one in given], 0] = 1
        return ids

    rows = text_subject.data.test
    texts_ = rows.text.tolist()
    data = replace(
        text_subject.data,
        tokens=Tokens(crossing, real.vocabulary),
        splits={"test": replace(rows, x=crossing(texts_))},
    )
    w = wording(replace(text_subject, data=data), 120, 0)
    lost = sum("lost" in one for one in texts_)
    assert w.unread == lost > 0 and len(w.rows) == 120 - lost
    assert all(" ".join(words) == text for words, text in zip(w.words, w.rows.text, strict=True))


def test_a_text_cut_off_at_its_length_ends_with_the_last_word_read(text_subject):
    rows = text_subject.data.test.take(np.arange(2))
    long = np.array(["how why when " * 5 + "card", "new card"], object)
    subject = _rows(text_subject, 2, text=long, x=text_subject.data.tokens.encode(long), id=rows.id)
    w = wording(subject, 2, 0)
    assert sorted(w.counts.tolist()) == [2, 12] and w.unread == 0


def test_equal_words_are_one_whatever_their_case_and_signs():
    assert [plain(w) for w in ("Card?", "(card)", "don't", "42", "--", "Ärger!")] == [
        "card",
        "card",
        "don't",
        "",
        "",
        "ärger",
    ]


# ---------------------------------------------------------------- values


def test_words_of_a_sum_are_worth_what_they_add(text_subject):
    """Shapley: a word's weight; between embeddings: minus the unknown token's. Against class 0 signs turn."""
    subject = _two(text_subject, unknown=0.3)
    t = texts(subject, wording(subject, 25, 1), 256)
    weight = np.asarray(subject.model.params["table"])[:, 0]
    own = np.array([[weight[i] for i in row] for row in t.w.rows.x])
    values, found = integrated_words(t, steps=4, most=4, tolerance=0.01)
    n = t.w.real.shape[1]
    expected = np.where(t.w.real, (own - 0.3)[:, :n], 0.0) * t.side[:, None]
    np.testing.assert_allclose(values, expected, atol=1e-5)
    assert set(t.side) == {-1.0, 1.0}
    assert (t.decided == (own.sum(axis=1) >= 0)).all()
    subject = _two(text_subject)
    t = texts(subject, wording(subject, 25, 1), 256)
    weight = np.asarray(subject.model.params["table"])[:, 0]
    own = np.array([[weight[i] for i in row] for row in t.w.rows.x])[:, :n]
    values, _ = shapley_words(t, EXACT, jax.random.key(0))
    np.testing.assert_allclose(values, np.where(t.w.real, own, 0.0) * t.side[:, None], atol=1e-5)


def test_shapley_values_of_words_are_the_mean_over_all_orders(text_subject):
    """By hand over the orders of a four-word text, each coalition encoded as a text of its own."""
    few = np.array(["lost card euro please", "send money rate why"], object)
    encode = text_subject.data.tokens.encode
    subject = _rows(text_subject, 2, text=few, x=encode(few))
    t = texts(subject, wording(subject, 2, 0), 256)
    values, found = shapley_words(t, EXACT, jax.random.key(0))

    def margin(words, k):
        logits = np.asarray(subject.model.apply(subject.model.params, encode([" ".join(words)])))[0]
        return float(logits[k] - np.log(np.exp(np.delete(logits, k)).sum()))

    for i, words in enumerate(t.w.words):
        totals = np.zeros(4)
        for order in permutations(range(4)):
            for place, w in enumerate(order):
                with_it, before = sorted(order[: place + 1]), sorted(order[:place])
                k = t.column[i]
                totals[w] += margin([words[j] for j in with_it], k) - margin([words[j] for j in before], k)
        np.testing.assert_allclose(values[i], totals / 24, atol=1e-4)
    assert "exact" in found.method


def test_integrated_gradients_of_a_curved_network_add_up(text_subject):
    vocabulary = text_subject.data.tokens.vocabulary
    options = {"layers": 1, "width": 8, "heads": 2, "hidden": 8}
    made = build("transformer", shape=(12,), outputs=3, seed=1, options=options, vocabulary=vocabulary)
    model = replace(text_subject.model, apply=made.apply, params=made.params)
    subject = observe(model, _rows(text_subject, 8).data)
    t = texts(subject, wording(subject, 8, 0), 64)
    values, found = integrated_words(t, steps=64, most=128, tolerance=0.01)
    apart = np.abs(values.sum(axis=1) - (found.outputs - found.base)[:, 0])
    assert (apart / np.abs(values).sum(axis=1)).max() < 0.02  # the maximum over tokens has a kink
    assert np.abs(found.outputs - found.base).max() > 0.02
    assert np.abs(values[~t.w.real]).max(initial=0.0) == 0


# ---------------------------------------------------------------- whether they are right


def test_leaving_out_and_keeping_words_is_what_texts_without_them_give(text_subject):
    subject = _rows(text_subject, 12)
    t = texts(subject, wording(subject, 12, 0), 256)
    values, _ = shapley_words(t, EXACT, jax.random.key(0))
    values = values + np.linspace(0, 1e-9, values.shape[1])[None]  # no ties
    found = along(t, values, SHARES, np.random.default_rng(0))

    def chance(words, k):
        ids = text_subject.data.tokens.encode([" ".join(words)])
        p = np.exp(np.asarray(subject.model.apply(subject.model.params, ids), np.float64))[0]
        return p[k] / p.sum()

    for i, words in enumerate(t.w.words):
        order = np.argsort(-values[i][: len(words)])
        out = [
            chance([w for j, w in enumerate(words) if j not in order[:n]], t.column[i])
            for n in np.ceil(np.array(SHARES) * len(words)).astype(int)
        ]
        kept = [
            chance([w for j, w in enumerate(words) if j in order[:n]], t.column[i])
            for n in np.ceil(np.array(SHARES) * len(words)).astype(int)
        ]
        whole = chance(words, t.column[i])
        assert found.comprehensiveness[i] == pytest.approx(whole - np.mean(out), abs=1e-5)
        assert found.sufficiency[i] == pytest.approx(whole - np.mean(kept), abs=1e-5)


def test_a_right_order_beats_random_words_and_a_wrong_one_loses(text_subject):
    subject = _rows(text_subject, 60)
    t = texts(subject, wording(subject, 60, 0), 512)
    values, _ = shapley_words(t, EXACT, jax.random.key(0))
    rng = np.random.default_rng(0)
    chance = at_random(t, 20, SHARES, rng)
    right, wrong = along(t, values, SHARES, rng), along(t, -values, SHARES, rng)
    again = at_random(t, 20, SHARES, rng)
    assert (right.comprehensiveness - chance.comprehensiveness).mean() > 0.1
    assert (chance.sufficiency - right.sufficiency).mean() > 0.1
    assert (wrong.comprehensiveness - chance.comprehensiveness).mean() < -0.05
    assert abs((again.comprehensiveness - chance.comprehensiveness).mean()) < 0.02


def _found(subject, context, **options):
    return tokens(subject, TokensOptions(**options), context)


def _table(findings, name):
    return next(t for t in findings.tables if t.name == name)


def test_the_check_bounds_what_its_words_are_worth(text_subject, context):
    findings = _found(text_subject, replace(context, quick=False), rows=60, random_orders=3, least=5)
    found = {(m.name, m.where.get("explainer")): m.estimate for m in findings.measurements}
    for explainer in ("shapley", "integrated"):
        gain = found["comprehensiveness_gain", explainer]
        assert gain.kind == "bounded" and gain.low > 0 and gain.n == 60
    assert found["completeness_error", None].kind == "descriptive"
    assert found["rank_agreement", None].low > 0.5
    listed = _table(findings, "words")
    best = [row[0] for row in listed.rows[:4]]
    telling = {w for words in ("card lost stolen replace pin blocked plastic",
                               "transfer money account send iban pending",
                               "rate exchange currency euro dollar fee") for w in words.split()}  # fmt: skip
    assert set(best) <= telling
    assert all(row[4] >= 5 for row in listed.rows)
    of_class = _table(findings, "class_words")
    assert {row[0] for row in of_class.rows} <= set(text_subject.data.classes)
    assert all(row[1] in telling and row[3] > 0 for row in of_class.rows)


def test_texts_and_rare_words_leave_the_check_only_when_asked(text_subject, context):
    rows = text_subject.data.test.take(np.arange(24))
    named = np.array([f"{one} zq{i}zq" for i, one in enumerate(rows.text)], object)
    subject = _rows(text_subject, 24, text=named, x=text_subject.data.tokens.encode(named))
    quiet = _found(subject, context).model_dump_json()
    assert "zq" not in quiet and not any(one in quiet for one in named)
    loud = _table(_found(subject, context, examples=3), "texts")
    assert len(loud.rows) == 3 and all("zq" in row[0] for row in loud.rows)


def test_a_word_of_one_writer_is_shown_to_nobody(text_subject, context):
    writers = np.zeros(24, int)
    writers[-1] = 1
    subject = _rows(text_subject, 24, cluster=writers)
    assert not _table(_found(subject, context, least=3), "words").rows


def test_a_model_without_one_table_has_no_integrated_gradients(text_subject, context):
    two = {
        "table": text_subject.model.params["table"],
        "other": jnp.zeros_like(text_subject.model.params["table"]),
    }
    subject = Subject(replace(text_subject.model, params=two), text_subject.data, text_subject.outputs)
    findings = _found(subject, context)
    found = {(m.name, m.where.get("explainer")): m.estimate for m in findings.measurements}
    assert "single table" in found["comprehensiveness_gain", "integrated"].reason
    assert found["comprehensiveness_gain", "shapley"].value is not None
    assert "only one" in found["rank_agreement", None].reason


def test_a_model_that_reads_the_ids_themselves_is_not_explained_between_embeddings(text_subject, context):
    def reads(params, x):
        return params["table"][x].sum(axis=1) + 3.0 * (x == 5).any(axis=1)[:, None] * jnp.array([[1.0, 0, 0]])

    subject = observe(replace(text_subject.model, apply=reads), text_subject.data)
    findings = _found(subject, context)
    found = {(m.name, m.where.get("explainer")): m.estimate for m in findings.measurements}
    assert "more of a token" in found["sufficiency_gain", "integrated"].reason


def test_texts_of_one_word_have_nothing_to_rank(text_subject, context):
    one = np.array(["card", "euro", "send"], object)
    subject = _rows(text_subject, 3, text=one, x=text_subject.data.tokens.encode(one))
    found = {m.name: m.estimate for m in _found(subject, context).measurements}
    assert "two words" in found["comprehensiveness_gain"].reason
