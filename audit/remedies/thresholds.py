"""The remedy thresholds: decide by thresholds of each group, and let validation choose the constraint."""

from __future__ import annotations

from audit.remedies import Bench, Choice, remedy
from audit.remedies.options import Thresholds
from audit.remedies.parity_choice import ACCURACY, CHECK, choose
from audit.subject import Subject


@remedy(
    "thresholds",
    title="Thresholds of each group",
    needs=("groups", "classes", "favourable", "probabilities"),
    checks=(CHECK, ACCURACY),
    splits=("calibration",),
)
def thresholds(subject: Subject, options: Thresholds, bench: Bench) -> Choice:
    """The model asked about, decided by thresholds of each group that satisfy a parity constraint.

    fairlearn's ThresholdOptimizer (Hardt, Price & Srebro 2016) finds them on the calibration rows. Of the candidates
    that lose at most `accuracy_loss` of the accuracy and `balanced_accuracy_loss` of the balanced accuracy on the
    validation rows, the one whose gaps there are nearest to parity is chosen: those that the policy's blocking rules
    judge, else every difference and impact ratio of the candidates' attributes. Scores stay as they are; whoever
    decides must know the attribute, and treats people of different groups differently, which the law may forbid.
    """
    return choose(subject.model, options, bench.equalise, bench)
