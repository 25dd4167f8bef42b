"""What the measures of tasks with several labels a row are, in a sentence or two."""

from __future__ import annotations

_ACCURACY = {
    "exact_match": "Share of rows all of whose labels are right: one wrong label spoils a row.",
    "majority_share": "Exact match of always giving the commonest combination of labels: what has to be beaten.",
    "hamming_accuracy": "Mean over rows of the share of labels right. High where most labels are rare.",
    "macro_f1": "Mean over the labels of F1: every label weighs the same.",
    "micro_f1": "F1 of all rows’ labels together: common labels weigh most.",
    "macro_auc": "Mean over the labels of AUC.",
    "log_loss": "Mean over rows and labels of minus the log of the probability given to what is true.",
    "label_accuracy": "Share of rows where one label is right. High where the label is rare.",
    "recall": "Of the rows with a label, the share that is given it.",
    "precision": "Of the rows given a label, the share that has it.",
    "f1": "Twice the rows rightly given a label over the rows with it and those given it.",
    "auc": "Chance that a row with the label is scored above one without; no threshold enters it.",
}
OF_LABELS = (("accuracy.multilabel", _ACCURACY),)
