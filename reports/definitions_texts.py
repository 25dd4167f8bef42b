"""What each measure of texts is, and what it can't say, in a sentence or two."""

from __future__ import annotations

_EDITS = {
    "clean_accuracy": "Accuracy on the texts as they are.",
    "edited_accuracy": "Share of randomly edited texts that are still decided correctly: what careless typing costs.",
    "robust_accuracy": "Share right whatever edits were tried. An upper bound: a longer search may find more.",
    "attack_success": "Share of the right decisions that some edit turned. A lower bound.",
}
_TOKENS = {
    "comprehensiveness_gain": "What leaving out the words ranked first takes from the probability of the decision, "
    "beyond what leaving out random words takes.",
    "sufficiency_gain": "What keeping the words ranked first alone preserves of that probability, beyond random words.",
    "completeness_error": "By how much a row’s values miss the difference of outputs, over the sum of their sizes.",
    "rank_agreement": "Mean rank correlation of a text’s Shapley values and integrated gradients, by their sizes.",
}
_SCOPE = {
    "outside_auroc": "Chance that a test row’s score is above that of an input of none of the classes.",
    "outside_accepted": "Share of inputs of none of the classes let through where most calibration rows are (FPR95).",
    "surely_answered": "Share of inputs of none of the classes that are given one with this probability or more.",
}
OF_TEXTS = (
    ("calibration.scope", _SCOPE),
    ("robustness.text", _EDITS),
    ("explanation.tokens", _TOKENS),
)
