"""What each measure of the built-in checks is, and what it can't say, in a sentence or two."""

from __future__ import annotations

_ATTACKED = "an upper bound of robust accuracy, since a stronger attack may find more"
_FLIPPED = "a lower bound, since a stronger attack may flip more"
_ACCURACY = {
    "accuracy": "Share of rows whose decided class is the true one. It hides what happens to rare classes.",
    "majority_share": "Accuracy of always guessing the commonest class: what accuracy has to beat.",
    "balanced_accuracy": "Mean of the classes’ recalls: every class weighs the same.",
    "auc": "Chance that a row of the class is scored above a row of another; no threshold enters it.",
    "f1": "Twice a class’s hits over its rows and the rows taken for it.",
    "macro_f1": "Mean over the classes of F1: every class weighs the same.",
    "macro_auc": "Mean over the classes of one-vs-rest AUC.",
    "log_loss": "Mean of minus the log of the probability given to the true class.",
    "recall": "Of the rows of a class, the share that is found.",
    "precision": "Of the rows taken for a class, the share that belongs to it.",
    "mean_absolute_error": "Mean distance of prediction and target.",
    "baseline_mean_absolute_error": "Mean distance of the training median and the target: what to beat.",
    "mean_squared_error": "Mean squared distance of prediction and target.",
    "root_mean_squared_error": "Root of the mean squared error.",
    "r2": "1 minus the squared error over that of always saying the test mean.",
}
_FGSM = {
    "clean_accuracy": "Accuracy on the rows attacked, before the attack.",
    "robust_accuracy": f"Share still correct after one signed-gradient step of radius ε: {_ATTACKED}.",
    "attack_success": f"Of the rows that were correct, the share that one step flips: {_FLIPPED}.",
}
_PGD = {
    "clean_accuracy": "Accuracy on the rows attacked, before the attack.",
    "robust_accuracy": f"Share for which many projected steps within ε find no error: {_ATTACKED}.",
    "attack_success": f"Of the rows that were correct, the share that many steps flip: {_FLIPPED}.",
}
_AUTOATTACK = {
    "clean_accuracy": "Accuracy on the rows attacked, before the attack.",
    "robust_accuracy": f"Share for which none of a suite of attacks finds an error within ε: {_ATTACKED}.",
    "attack_success": f"Of the rows that were correct, the share that some attack flips: {_FLIPPED}.",
}
_MINIMUM = {
    "clean_accuracy": "Accuracy on the rows attacked, before the attack.",
    "robust_accuracy": f"Share whose nearest error found lies beyond ε: {_ATTACKED}.",
    "attack_success": f"Of the rows that were correct, the share with an error found within ε: {_FLIPPED}.",
    "median_size": "Size of change that turns half of the right decisions, as far as the attack found them.",
}
_FAIRNESS = {
    "selection_rate": "Share of a group’s rows that are given the favourable outcome.",
    "true_positive_rate": "Share given the favourable outcome among the rows that truly have it.",
    "false_positive_rate": "Share given the favourable outcome among the rows that truly do not have it.",
    "positive_predictive_value": "Share that truly has the favourable outcome among the rows given it.",
    "false_omission_rate": "Share that truly has the favourable outcome among the rows not given it.",
    "accuracy": "Share of a group’s rows decided correctly.",
    "impact_ratio": "Lowest over highest selection rate, as in the four-fifths rule. It ignores who is qualified.",
    "selection_rate_difference": "Highest minus lowest selection rate (demographic parity difference).",
    "true_positive_rate_difference": "Highest minus lowest true positive rate (equal opportunity difference).",
    "false_positive_rate_difference": "Highest minus lowest false positive rate (predictive equality).",
    "positive_predictive_value_difference": "Highest minus lowest predictive value (predictive parity).",
    "false_omission_rate_difference": "Highest minus lowest false omission rate.",
    "accuracy_difference": "Highest minus lowest accuracy of any two groups.",
    "accuracy_minimum": "Accuracy of the group that is served worst.",
    "equalized_odds_difference": "Larger of the differences in true and in false positive rate.",
}
_FAIRNESS |= {f"crossed_{name}": f"In crossings of attributes: {text}" for name, text in _FAIRNESS.items()}
_LL144 = {
    "rate": "Share of a category that is selected, or that scores above the median of all assessed.",
    "impact_ratio": "A category’s rate over the highest rate of its table (6 RCNY 5-300). It ignores who is qualified.",
    "impact_ratio_minimum": "Smallest impact ratio of a table: its lowest rate over its highest.",
}
_EXPLANATION = {
    "importance": "Mean absolute Shapley value of a feature or image patch over the explained rows.",
    "reliance": "Share of all attribution that a sensitive attribute’s own column carries; proxies are not in it.",
    "shap_difference": "Largest difference from shap’s own explainer on a few rows.",
}
_GRADIENTS = {
    "importance": "Mean absolute integrated or expected gradient of a feature or image patch.",
    "completeness_error": "By how much a row’s values miss the difference of outputs, over the sum of their sizes.",
    "rank_agreement": "Mean rank correlation of a row’s absolute gradients and absolute Shapley values.",
}
_CALIBRATION = {
    "calibration_error": "Distance of stated probability and observed frequency, freed of the bias of plain ECE.",
    "confidence_gap": "Mean confidence minus the share that came true: above 0 is overconfident.",
    "group_calibration_error": "Calibration error of one group’s rows.",
    "group_confidence_gap": "Mean confidence minus the share that came true, of one group’s rows.",
    "brier": "Mean squared error of the probabilities.",
    "ece_15": "Expected calibration error over 15 bins: above 0 even for a perfect model.",
    "perfect_calibration_p": "P-value of perfect calibration: small means that the gaps are not chance.",
}
DEFINED = {
    f"{check}.{name}": text
    for check, texts in (
        ("accuracy.overall", _ACCURACY),
        ("robustness.fgsm", _FGSM),
        ("robustness.pgd", _PGD),
        ("robustness.autoattack", _AUTOATTACK),
        ("robustness.minimum", _MINIMUM),
        ("fairness.groups", _FAIRNESS),
        ("fairness.ll144", _LL144),
        ("explanation.shapley", _EXPLANATION),
        ("explanation.gradients", _GRADIENTS),
        ("calibration.reliability", _CALIBRATION),
    )
    for name, text in texts.items()
}
