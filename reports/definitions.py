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
_AUC = {
    "auc": "Chance that a group’s row with the favourable outcome is scored above one of the same group without.",
    "auc_difference": "Highest minus lowest AUC of the groups. It compares rows of one group only, not between groups.",
    "auc_minimum": "AUC of the group that the score ranks worst.",
}
_AUC |= {f"crossed_{name}": f"In crossings of attributes: {text}" for name, text in _AUC.items()}
_CONDITIONAL = {
    "raw_difference": "Selection rate of a group minus that of all others, whatever their legitimate factors.",
    "conditional_difference": "The same among people alike in the declared factors, which may hide discrimination.",
    "conditional_gap": "How far two groups’ selection rates lie apart among people alike in the declared factors.",
}
_CLASSES = {
    "true_positive_rate": "Share predicted as the class among a group’s rows that are of it (recall).",
    "false_positive_rate": "Share predicted as the class among a group’s rows that are not of it.",
    "positive_predictive_value": "Share that is of the class among a group’s rows predicted as it (precision).",
    "selection_rate": "Share of a group’s rows that is predicted as the class.",
    "true_positive_rate_difference": "Highest minus lowest true positive rate of one class over the groups.",
    "false_positive_rate_difference": "Highest minus lowest false positive rate of one class over the groups.",
    "positive_predictive_value_difference": "Highest minus lowest predictive value of one class over the groups.",
    "selection_rate_difference": "Highest minus lowest share of the groups that is predicted as one class.",
    "widest_true_positive_rate_difference": "True positive rate difference of the class where it is largest.",
}
_INEQUALITY = {
    "generalised_entropy": "Inequality (alpha 2) of the benefits decision - truth + 1; 0 is equality.",
    "theil": "Theil index (alpha 1) of the same benefits.",
    "between_groups_entropy": "The part of that inequality (alpha 2) that lies between groups.",
    "differential_fairness": "Largest log ratio of an outcome’s probability between two groups, smoothed.",
    "true_positive_rate_difference_at_most": "Largest true positive rate difference that so many wrong labels hide.",
    "true_positive_rate_difference_at_least": "Smallest true positive rate difference that so many wrong labels leave.",
}
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
_TRUST = {
    "deletion_gain": "Area under the output as the players ranked first are taken away, random orders’ minus the "
    "explanation’s: above 0 is better than chance.",
    "insertion_gain": "Area under the output as the players ranked first are put in, the explanation’s minus random "
    "orders’: above 0 is better than chance.",
    "comprehensiveness_gain": "Drop of the output without the players ranked first, minus that of random orders.",
    "sufficiency_gain": "Drop of the output with only the players ranked first, that of random orders minus the "
    "explanation’s.",
    "infidelity": "Mean squared error of the change foretold when random players are replaced.",
    "normalised_infidelity": "Infidelity over the mean squared change: 0 is perfect, 1 no better than saying nothing.",
    "max_sensitivity": "Largest relative change of the explanation that small random moves of the input found: "
    "a lower bound.",
    "randomisation_similarity": "Rank correlation with the explanation of the same network under random parameters: "
    "1 ignores all that was learnt.",
    "rank_stability": "Rank correlation of importance with that from other rows, background or training.",
    "top_overlap": "What two sets of most important players share: of other rows, background or training.",
    "faithfulness_shortfall": "Comprehensiveness gain outside a group minus inside: above 0, it is explained worse.",
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
        ("fairness.auc", _AUC),
        ("fairness.conditional", _CONDITIONAL),
        ("fairness.classes", _CLASSES),
        ("fairness.inequality", _INEQUALITY),
        ("fairness.ll144", _LL144),
        ("explanation.shapley", _EXPLANATION),
        ("explanation.trust", _TRUST),
        ("calibration.reliability", _CALIBRATION),
    )
    for name, text in texts.items()
}
