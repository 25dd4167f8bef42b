"""What each measure of recommendations is, and what it can't say, in a sentence or two."""

from __future__ import annotations

_ACCURACY = {
    "ndcg": "Discounted gain of the items that rows took next, over all unseen items: 1 where they lead the list.",
    "hit_rate": "Share of rows whose next item is in the list.",
    "mean_reciprocal_rank": "Mean of 1 over the rank of the next item among all unseen ones.",
    "popularity_ndcg": "NDCG of showing everyone the most popular items they have not seen: what has to be beaten.",
    "gain_over_popularity": "NDCG minus that of showing the most popular items.",
}
_FAIRNESS = {
    "ndcg": "Mean NDCG of a group’s lists.",
    "hit_rate": "Share of a group’s rows whose next item is in the list.",
    "popularity_lift": "How much more popular the items shown are than those taken, in training histories.",
    "ndcg_difference": "Highest minus lowest mean NDCG of any two groups.",
    "hit_rate_difference": "Highest minus lowest hit rate of any two groups.",
    "popularity_lift_difference": "Highest minus lowest popularity lift of any two groups.",
    "shown_popularity": "In how many training histories an item that is shown is, on average.",
    "taken_popularity": "In how many training histories an item of the rows’ own histories is, on average.",
    "coverage": "Share of the catalogue that any row is shown; it grows with the number of rows.",
    "exposure_gini": "How unevenly attention falls on items: 0 alike, near 1 all on one.",
    "training_gini": "How unevenly training histories hold the items.",
    "exposure_share": "Share of the lists’ attention that a group of items gets.",
    "history_share": "Share of a group of items in the rows’ histories.",
    "held_out_share": "Share of a group of items in what rows took next.",
    "exposure_over_history": "Exposure of a group of items above its share of histories.",
    "exposure_over_held_out": "Exposure of a group of items above its share of what rows took next.",
}
_ROBUSTNESS = {
    "overlap": "Share of the list still shown when randomly drawn items of the history go or are others.",
    "ndcg_drop": "NDCG lost by that change.",
    "worst_single_overlap": "The least share of the list that stays, whichever one item is taken out: all are tried.",
}
_EXPLANATION = {
    "unmoved": "Share of rows where taking out any one item leaves the first item’s score as it was.",
    "latest_share": "Share of the latest item in what single deletions change of the first item’s score.",
    "even_share": "That share if every item of the history counted alike.",
    "popularity_correlation": "Whether popular items of a history count more (1) or less (-1) than others.",
    "overlap_without_history": "Share of the list that is shown to an empty history too: what is not personal.",
    "overlap_latest_alone": "Share of the list that the latest item alone gives.",
}
OF_RANKING = (
    ("accuracy.ranking", _ACCURACY),
    ("fairness.ranking", _FAIRNESS),
    ("robustness.history", _ROBUSTNESS),
    ("explanation.history", _EXPLANATION),
)
