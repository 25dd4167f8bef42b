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
_CALIBRATION = {
    "calibration_error": "Distance of stated probability and observed frequency, freed of the bias of plain ECE.",
    "confidence_gap": "Mean confidence minus the share that came true: above 0 is overconfident.",
    "group_calibration_error": "Calibration error of one group’s rows.",
    "group_confidence_gap": "Mean confidence minus the share that came true, of one group’s rows.",
    "brier": "Mean squared error of the probabilities.",
    "ece_15": "Expected calibration error over 15 bins: above 0 even for a perfect model.",
    "perfect_calibration_p": "P-value of perfect calibration: small means that the gaps are not chance.",
}
_CLASSWISE = {
    "class_calibration_error": "Calibration error of one class’s probability: of that class or not.",
    "worst_calibration_error": "Calibration error of the class whose probability is furthest off.",
    "class_confidence_gap": "Mean probability of a class minus the share of rows that are of it.",
    "classwise_ece": "Mean over the classes of ECE over 15 bins: above 0 even for a perfect model.",
}
_CALIBRATION_GROUPS = {
    "worst_calibration_error": "Calibration error of the group whose probabilities are furthest off.",
    "calibration_error_gap": "Largest minus smallest calibration error of the groups.",
    "confidence_gap_difference": "How far apart the groups’ mean confidence minus what came true lies.",
    "crossed_calibration_error": "Calibration error of one crossing’s rows.",
    "crossed_confidence_gap": "Mean confidence minus the share that came true, of one crossing’s rows.",
}
_CALIBRATION_GROUPS |= {
    f"crossed_{name}": f"In crossings of attributes: {_CALIBRATION_GROUPS[name]}"
    for name in ("worst_calibration_error", "calibration_error_gap", "confidence_gap_difference")
}
_SCORES = {
    "log_loss": "Mean of minus the log of the probability given to the true class.",
    "brier": "Mean squared gap of confidence and outcome.",
    "miscalibration": "What isotonic recalibration would take off the Brier score (MCB): above 0 even if perfect.",
    "discrimination": "What the recalibrated forecasts gain over always stating the base rate (DSC).",
    "uncertainty": "Brier score of always stating the base rate (UNC).",
    "smooth_ece": "Calibration error smoothed at its own scale; above 0 even for a perfect model.",
    "ece_sweep": "ECE over the most equal-mass bins whose shares rise; above 0 even for a perfect model.",
    "ks_error": "Largest gap of summed confidence and summed outcome; above 0 even for a perfect model.",
    "spiegelhalter_z": "Distance of the Brier score from a calibrated model’s, in standard deviations.",
    "spiegelhalter_p": "P-value of Spiegelhalter’s Z: small means that the score is not that of a calibrated model.",
}
_SELECTIVE = {
    "aurc": "Error rate of the k surest rows, averaged over all k.",
    "augrc": "Wrong answers given over all rows, averaged over all thresholds of confidence.",
    "selective_accuracy": "Share right of the rows answered, at a threshold set on the calibration rows.",
    "answered": "Share of rows at or above the threshold set on the calibration rows.",
    "group_selective_accuracy": "Share right of a group’s rows that are answered.",
    "group_answered": "Share of a group’s rows that are answered.",
}
_CONFORMAL = {
    "coverage": "Share of rows whose set or interval holds the truth; promised on average, for exchangeable rows.",
    "group_coverage": "Coverage in one group: nothing is promised for it.",
    "class_coverage": "Coverage among the rows of one class: nothing is promised for it.",
    "coverage_difference": "Highest minus lowest coverage of any two groups.",
    "coverage_minimum": "Coverage of the group that is covered least.",
    "set_size": "Mean number of classes in a row’s set.",
    "single": "Share of rows whose set is one class.",
    "empty": "Share of rows whose set is empty.",
    "interval_width": "Width of the intervals, in the target’s unit.",
    "interval_score": "Width plus a penalty for what lies outside (Gneiting and Raftery 2007).",
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
        ("calibration.reliability", _CALIBRATION),
        ("calibration.classwise", _CLASSWISE),
        ("calibration.groups", _CALIBRATION_GROUPS),
        ("calibration.scores", _SCORES),
        ("calibration.selective", _SELECTIVE),
        ("calibration.conformal", _CONFORMAL),
    )
    for name, text in texts.items()
}
