"""Checks of recommenders on planted truths: popularity, models that ignore history, groups alike and not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.checks.accuracy_ranking import RankingOptions, accuracy_ranking
from audit.checks.explanation_history import HistoryExplanationOptions, explanation_history
from audit.checks.fairness_ranking import FairRankingOptions, fairness_ranking
from audit.checks.robustness_history import HistoryRobustnessOptions, robustness_history
from audit.errors import ConfigError
from audit.games.game import draw
from audit.metrics import ranking
from audit.subject import Model, observe
from audit.trials import histories


def _of(findings, name, **where):
    (found,) = [m.estimate for m in findings.measurements if m.name == name and m.where == where]
    return found


def _with(subject, scores):
    """The subject with a model that scores rows by scores(x)[n, items], in NumPy."""
    model = Model("planted", lambda params, x: scores(x), outputs="values", differentiable=False)
    return observe(model, subject.data)


def _popular(subject):
    counts = subject.data.catalogue.counts.astype(np.float32)
    return _with(subject, lambda x: np.tile(counts, (len(x["history"]), 1)))


def test_accuracy_is_the_mean_over_all_unseen_items(ranking_subject, context):
    found = accuracy_ranking(ranking_subject, RankingOptions(k=(5, 10)), context)
    test = ranking_subject.data.test
    rank = ranking.ranked(ranking_subject.outputs["test"], test.x["seen"], test.y, 10).rank
    for k in (5, 10):
        assert _of(found, "ndcg", k=k).value == pytest.approx(ranking.ndcg(rank, k).mean())
        assert _of(found, "hit_rate", k=k).value == pytest.approx((rank <= k).mean())
    assert _of(found, "mean_reciprocal_rank").value == pytest.approx((1 / rank).mean())


def test_a_popularity_model_gains_nothing_over_popularity(ranking_subject, context):
    found = accuracy_ranking(_popular(ranking_subject), RankingOptions(), context)
    gain = _of(found, "gain_over_popularity", k=10)
    assert gain.value == 0
    assert gain.low < 0 < gain.high


def test_a_model_that_knows_the_answer_is_right(ranking_subject, context):
    answer = {
        h.tobytes(): y
        for h, y in zip(ranking_subject.data.test.x["history"], ranking_subject.data.test.y, strict=True)
    }

    def known(x):
        return np.stack([np.eye(40, dtype=np.float32)[answer[h.tobytes()][0] - 1] for h in x["history"]])

    found = accuracy_ranking(_with(ranking_subject, known), RankingOptions(k=(1,)), context)
    assert _of(found, "ndcg", k=1).value == 1
    assert _of(found, "ndcg", k=1).low < 1


def test_rows_of_one_user_are_one_unit(ranking_subject, context):
    test = ranking_subject.data.test
    user = np.arange(len(test)) // 8
    twice = replace(test.take(np.repeat(np.arange(50), 8)), cluster=user)
    outputs = {"test": ranking_subject.outputs["test"][np.repeat(np.arange(50), 8)]}
    data = replace(ranking_subject.data, splits={**ranking_subject.data.splits, "test": twice})
    apart = replace(data, splits={**data.splits, "test": replace(twice, cluster=None)})
    wide, narrow = (
        _of(
            accuracy_ranking(replace(ranking_subject, data=d, outputs=outputs), RankingOptions(), context),
            "ndcg",
            k=10,
        )
        for d in (data, apart)
    )
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_a_popularity_model_shows_its_bias(ranking_subject, context):
    found = fairness_ranking(_popular(ranking_subject), FairRankingOptions(), context)
    lift = _of(found, "popularity_lift")
    near = _of(fairness_ranking(ranking_subject, FairRankingOptions(), context), "popularity_lift")
    assert lift.value > near.value
    counts, test = ranking_subject.data.catalogue.counts, ranking_subject.data.test
    naive = []
    for seen, history in zip(test.x["seen"], test.x["history"], strict=True):
        unseen = sorted(set(range(1, 41)) - set(seen), key=lambda c: (-counts[c - 1], c))[:10]
        weight = 1 / np.log2(np.arange(2, 12))
        naive.append(
            weight @ counts[np.array(unseen) - 1] / weight.sum() - counts[history[history > 0] - 1].mean()
        )
    assert lift.value == pytest.approx(np.mean(naive))
    assert _of(found, "coverage").value < 1
    assert _of(found, "coverage").kind == "descriptive"


def test_an_item_group_that_is_favoured_is_exposed(ranking_subject, context):
    names, member = ranking_subject.data.catalogue.groups["genre"]
    war = member[:, names.index("war")].astype(np.float32)
    found = fairness_ranking(
        _with(ranking_subject, lambda x: np.tile(war, (len(x["history"]), 1))),
        FairRankingOptions(k=3),
        context,
    )
    at = {"items": "genre", "group": "war"}
    assert _of(found, "exposure_share", **at).value > 0.95
    assert _of(found, "exposure_over_history", **at).low > 0.3
    assert _of(found, "exposure_over_held_out", **at).low > 0.3
    total = sum(_of(found, "exposure_share", items="genre", group=g).value for g in names)
    assert total == pytest.approx(1)


def test_groups_served_alike_are_not_told_apart_and_others_are(ranking_subject, context):
    alike = fairness_ranking(ranking_subject, FairRankingOptions(), context)
    assert _of(alike, "ndcg_difference", attribute="sex").low <= 0.05
    test = ranking_subject.data.test
    worse = {
        h.tobytes() for h, sex in zip(test.x["history"], test.groups["sex"], strict=True) if sex == "female"
    }
    rng, model = np.random.default_rng(0), ranking_subject.model

    def unfair(x):
        scores = np.array(model.apply(model.params, x))
        bad = np.array([h.tobytes() in worse for h in x["history"]])
        scores[bad] = rng.normal(size=(int(bad.sum()), 40))
        return scores

    found = fairness_ranking(_with(ranking_subject, unfair), FairRankingOptions(), context)
    gap = _of(found, "ndcg_difference", attribute="sex")
    sexes = [_of(found, "ndcg", attribute="sex", group=s).value for s in ("female", "male")]
    assert gap.value == pytest.approx(sexes[1] - sexes[0])
    assert gap.low > 0.1


@pytest.mark.slow
def test_the_interval_of_the_ndcg_gap_covers_a_gap_of_nothing(ranking_subject, context):
    test, misses, rng = ranking_subject.data.test, 0, np.random.default_rng(5)
    for _ in range(300):
        groups = {"coin": np.where(rng.random(len(test)) < 0.3, "a", "b")}
        data = replace(
            ranking_subject.data, splits={**ranking_subject.data.splits, "test": replace(test, groups=groups)}
        )
        found = fairness_ranking(replace(ranking_subject, data=data), FairRankingOptions(items=()), context)
        misses += (_of(found, "ndcg_difference", attribute="coin").low or 0.0) > 0
    assert misses <= 18  # 2.5 % are 7.5


def test_a_model_that_ignores_the_history_loses_nothing(ranking_subject, context):
    found = robustness_history(_popular(ranking_subject), HistoryRobustnessOptions(), context)
    for m in found.measurements:
        assert m.estimate.value == (0 if m.name == "ndcg_drop" else 1), m.label
    told = explanation_history(_popular(ranking_subject), HistoryExplanationOptions(), context)
    assert _of(told, "unmoved").value == 1
    assert _of(told, "overlap_without_history").value == 1
    assert _of(told, "latest_share").value is None
    assert _of(told, "latest_share").reason


def _after_latest(x):
    """Scores that depend on the latest item alone: the codes that follow it, nearest first."""
    ahead = (np.arange(1, 41)[None] - x["history"][:, -1:]) % 40
    return (-ahead).astype(np.float32)


def test_a_model_of_the_latest_item_rests_on_it(ranking_subject, context):
    subject = _with(ranking_subject, _after_latest)
    told = explanation_history(subject, HistoryExplanationOptions(), context)
    assert _of(told, "latest_share").value == pytest.approx(1)
    assert _of(told, "overlap_latest_alone").value == 1
    lengths = histories.lengths(ranking_subject.data.test.x["history"])
    assert 1 / 8 <= _of(told, "even_share").value <= 1 / 5
    assert set(lengths) == {5, 8}
    found = robustness_history(subject, HistoryRobustnessOptions(k=1, changes=("drop",), items=(1,)), context)
    worst = _of(found, "worst_single_overlap").value
    assert worst <= _of(found, "overlap", change="drop", items=1).value
    share = (1 / lengths).mean()  # of the rows lose the latest item, and most of those their list
    assert _of(found, "overlap", change="drop", items=1).value == pytest.approx(1 - share, abs=0.08)


def test_the_worst_single_deletion_is_the_least_of_all(ranking_subject, context):
    found = robustness_history(ranking_subject, HistoryRobustnessOptions(worst_rows=40), context)
    rows, model = draw(ranking_subject.data.test, 40, context.seed), ranking_subject.model
    whole = histories.listed(model, rows, rows.x["history"], 10).top
    least = []
    for i, history in enumerate(rows.x["history"]):
        one, shares = rows.take(np.array([i])), []
        for item in history[history > 0]:
            left = history[(history > 0) & (history != item)]
            padded = np.concatenate([np.zeros(8 - len(left), np.int32), left])[None]
            after = histories.listed(model, one, padded, 10).top[0]
            shares.append(len(set(whole[i]) & set(after)) / 10)
        least.append(min(shares))
    assert _of(found, "worst_single_overlap").value == pytest.approx(np.mean(least))


def test_a_change_belongs_to_its_row_and_leaves_what_it_should(ranking_subject):
    test = ranking_subject.data.test
    steps = histories.drawn(test, 3, 5)
    assert (steps.sum(axis=1) == 3).all()
    order = np.random.default_rng(0).permutation(len(test))
    assert (histories.drawn(test.take(order), 3, 5) == steps[order]).all()
    assert (histories.drawn(test, 3, 6) != steps).any()
    dropped = histories.without(test.x["history"], steps)
    other = histories.replaced(test, steps, 40, 5)
    for i in range(len(test)):
        history = test.x["history"][i]
        assert dropped[i][dropped[i] > 0].tolist() == history[(history > 0) & ~steps[i]].tolist()
        assert (other[i] == history)[~steps[i]].all()
        new = other[i][steps[i]].tolist()
        assert len(set(new)) == 3
        assert not set(new) & {*test.x["seen"][i].tolist(), *test.y[i].tolist()}


def test_histories_too_short_for_the_change_are_not_counted(ranking_subject, context):
    found = robustness_history(ranking_subject, HistoryRobustnessOptions(items=(5, 9), worst_rows=0), context)
    assert _of(found, "overlap", change="drop", items=5).n == 300  # those of eight items
    nothing = _of(found, "overlap", change="drop", items=9)
    assert nothing.value is None
    assert nothing.reason == "no history is longer than 9"


def test_unknown_attributes_of_users_and_items_are_refused(ranking_subject, context):
    for options in ({"attributes": ("gender",)}, {"items": ("studio",)}):
        with pytest.raises(ConfigError, match=r"fairness\.ranking"):
            fairness_ranking(ranking_subject, FairRankingOptions(**options), context)
