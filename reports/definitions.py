"""What each measure of the built-in checks is, in one or two sentences."""

from __future__ import annotations

DEFINED = {
    "accuracy.overall.accuracy": (
        "Share of rows whose decided class is the true one. It hides what happens to rare classes."
    ),
    "accuracy.overall.balanced_accuracy": "Mean of the classes’ recalls: every class weighs the same.",
    "accuracy.overall.auc": (
        "Chance that a row of class 1 is scored above a row of class 0. It doesn’t depend on the threshold."
    ),
    "accuracy.overall.log_loss": "Mean negative log of the probability given to the true class.",
    "accuracy.overall.recall": "Of the rows of a class, the share that is found.",
    "accuracy.overall.precision": "Of the rows taken for a class, the share that belongs to it.",
    "robustness.fgsm.robust_accuracy": (
        "Share of rows still correct after one signed-gradient step of radius ε; an upper bound of robust "
        "accuracy."
    ),
    "robustness.pgd.robust_accuracy": (
        "Share of rows still correct after projected gradient steps within ε; an upper bound of robust "
        "accuracy."
    ),
    "robustness.fgsm.attack_success": (
        "Of the rows that were correct, the share that one step of radius ε flips."
    ),
    "robustness.pgd.attack_success": (
        "Of the rows that were correct, the share that projected gradient steps within ε flip."
    ),
    "fairness.groups.selection_rate": "Share of a group’s rows that receive the favourable outcome.",
    "fairness.groups.impact_ratio": (
        "Lowest over highest selection rate: the four-fifths rule’s quantity. It ignores who is qualified."
    ),
    "fairness.groups.selection_rate_difference": (
        "Highest minus lowest selection rate (demographic parity). It ignores who is qualified."
    ),
    "fairness.groups.true_positive_rate": (
        "Of a group’s rows with the favourable label, the share that is selected."
    ),
    "fairness.groups.true_positive_rate_difference": (
        "Highest minus lowest true-positive rate (equal opportunity)."
    ),
    "fairness.groups.false_positive_rate": (
        "Of a group’s rows with the unfavourable label, the share that is selected."
    ),
    "fairness.groups.false_positive_rate_difference": "Highest minus lowest false-positive rate.",
    "fairness.groups.accuracy": "Share of a group’s rows decided correctly.",
    "fairness.groups.accuracy_difference": "Highest minus lowest accuracy of any two groups.",
    "fairness.groups.accuracy_minimum": "Accuracy of the worst group.",
    "explanation.shapley.importance": "Mean absolute Shapley value of a feature over the explained rows.",
    "explanation.shapley.reliance": (
        "How much the model’s output rests on a sensitive attribute. A proxy can carry the same information."
    ),
    "calibration.reliability.calibration_error": (
        "How far stated probabilities lie from observed frequencies, corrected for the bias of plain ECE."
    ),
    "calibration.reliability.brier": "Mean squared error of the probabilities.",
    "calibration.reliability.ece_15": (
        "Expected calibration error in 15 bins. It is above 0 even for a perfect model."
    ),
}
