"""What each measure of the built-in checks is, and what it can't say, in a sentence or two."""

from __future__ import annotations

from reports.definitions_labels import OF_LABELS
from reports.definitions_ranking import OF_RANKING
from reports.definitions_texts import OF_TEXTS

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
_BEHAVIOUR = {
    "violation_rate": "Of the rows that a declared test is about, or the texts its written examples make, the share "
    "that breaks it. Behaviours that no test declares are not in it.",
    "searched_violation_rate": "Share of rows that break a rule once moved to where it holds: a lower bound, since a "
    "better search may find more.",
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
_REGRESSION = {
    "mean_error": "Mean of prediction minus target of a group: above 0 the model predicts too much for it.",
    "mean_absolute_error": "Mean distance of prediction and target in a group.",
    "root_mean_squared_error": "Root of the mean squared error in a group: large errors weigh more.",
    "r2": "1 minus the squared error over that of guessing the group’s mean: low where a group is alike.",
    "mean_prediction": "Mean of the predictions for a group.",
    "calibration_slope": "Slope of the target on the prediction: below 1, predictions are too far apart.",
    "calibration_intercept": "Where the line of the target on the prediction crosses a prediction of 0.",
    "mean_error_difference": "Largest minus smallest mean error: how unevenly groups are over- and underrated.",
    "mean_absolute_error_difference": "Largest minus smallest mean absolute error of any two groups.",
    "mean_absolute_error_maximum": "Mean absolute error of the group that is served worst.",
    "mean_prediction_difference": "Largest minus smallest mean prediction. It ignores who truly has more.",
    "calibration_slope_difference": "Largest minus smallest calibration slope.",
    "prediction_distance": "Largest 1-Wasserstein distance between two groups’ predictions, in the target’s unit.",
    "prediction_ks": "Largest Kolmogorov-Smirnov distance between two groups’ predictions, from 0 to 1.",
}
_FLIP = {
    "flip_rate": "Share of rows decided otherwise once the attribute’s column alone has another value. "
    "It is not counterfactual fairness.",
    "lost_favourable": "Share of rows that lose the favourable outcome under another value.",
    "gained_favourable": "Share of rows that gain the favourable outcome under another value.",
    "score_change": "Mean over rows of the largest change of the score under another value.",
    "pair_flip_rate": "Share of one group’s rows that are decided otherwise as another group.",
}
_PROXIES = {
    "proxy_auc": "How well a random forest tells a group from the rest by the other features; 0.5 is not at all.",
    "balanced_accuracy": "Mean over the groups of the share that the forest recognises.",
    "feature_auc": "How well one feature alone tells the groups apart; 0.5 is not at all.",
    "score_leak": "How well the model’s score tells a group from the rest within one true class; 0.5 is not at all.",
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
_COUNTERFACTUAL = {
    "recourse_success": "Share of unfavourable decisions that a permitted change turns; a longer search may find more.",
    "recourse_cost": "Mean distance to the nearest permitted change found that turns the decision, over rows with one.",
    "features_changed": "Mean number of features that these changes touch.",
    "changed": "Share of the changes found that touch the feature.",
    "group_recourse_success": "Share of a group’s unfavourable decisions that a permitted change turns.",
    "group_recourse_cost": "Mean distance to the nearest change found, over a group’s rows that have one.",
    "recourse_success_difference": "Largest difference between groups in the share that a change turns.",
    "recourse_cost_difference": "Largest difference between groups in mean distance: who has farther to go.",
    "neighbour_distance": "Median distance from changed rows to the nearest favourable training row: large is unusual.",
}
_DEPENDENCE = {
    "effect": "Mean absolute change of the output when a feature takes the values of the train rows one by one.",
    "monotone_rows": "Share of rows whose output goes in the direction asked at every step of the feature.",
    "monotonicity": "Rise of the mean curve over its ups and downs: 1 only rises, -1 only falls.",
}
_STAND_INS = {
    "proxy_reliance": "Share of all attribution that the features associated with an attribute carry together.",
    "joint_reliance": "Share of all attribution that an attribute’s own column and its proxies carry.",
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
_CONFUSION = {
    "confusion": "Share of a class’s rows that are decided to be of one other class, of a pair named beforehand.",
    "largest_confusion": "The largest such share of all pairs; large by chance where there are many pairs.",
    "confused_pairs": "Pairs with more than 5 % taken for the other class, beyond doubt for all pairs at once.",
}
_NOISE = {
    "clean_accuracy": "Accuracy of the undisturbed rows.",
    "noisy_accuracy": "Share of the disturbed rows that are decided correctly.",
    "accuracy_lost": "Accuracy of the same rows undisturbed minus disturbed.",
    "decision_changed": "Share of the disturbed rows that are decided otherwise than undisturbed.",
    "clean_error": "Mean absolute error of the undisturbed rows.",
    "noisy_error": "Mean absolute error of the disturbed rows.",
    "error_added": "Mean absolute error of the same rows disturbed minus undisturbed.",
    "output_moved": "Mean absolute change of the predicted number.",
}
_CORRUPTIONS = {
    "clean_accuracy": "Accuracy of the uncorrupted rows.",
    "mean_accuracy": "Accuracy averaged over every corruption and severity tried.",
    "mean_accuracy_lost": "Accuracy of the same rows uncorrupted minus that mean.",
    "accuracy_lost": "Accuracy of the same rows uncorrupted minus corrupted, averaged over severities.",
    "corrupted_accuracy": "Share of the corrupted rows that are decided correctly.",
}
DEFINED = {
    f"{check}.{name}": text
    for check, texts in (
        ("behaviour.tests", _BEHAVIOUR),
        ("accuracy.overall", _ACCURACY),
        ("accuracy.confusion", _CONFUSION),
        ("robustness.fgsm", _FGSM),
        ("robustness.pgd", _PGD),
        ("robustness.autoattack", _AUTOATTACK),
        ("robustness.minimum", _MINIMUM),
        ("robustness.noise", _NOISE),
        ("robustness.corruptions", _CORRUPTIONS),
        ("fairness.groups", _FAIRNESS),
        ("fairness.auc", _AUC),
        ("fairness.conditional", _CONDITIONAL),
        ("fairness.classes", _CLASSES),
        ("fairness.inequality", _INEQUALITY),
        ("fairness.ll144", _LL144),
        ("fairness.regression", _REGRESSION),
        ("fairness.flip", _FLIP),
        ("fairness.proxies", _PROXIES),
        ("explanation.shapley", _EXPLANATION),
        ("explanation.trust", _TRUST),
        ("explanation.counterfactual", _COUNTERFACTUAL),
        ("explanation.dependence", _DEPENDENCE),
        ("explanation.proxies", _STAND_INS),
        ("explanation.gradients", _GRADIENTS),
        ("calibration.reliability", _CALIBRATION),
        ("calibration.classwise", _CLASSWISE),
        ("calibration.groups", _CALIBRATION_GROUPS),
        ("calibration.scores", _SCORES),
        ("calibration.selective", _SELECTIVE),
        ("calibration.conformal", _CONFORMAL),
        *OF_RANKING,
        *OF_TEXTS,
        *OF_LABELS,
    )
    for name, text in texts.items()
}
