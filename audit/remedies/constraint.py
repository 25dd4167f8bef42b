"""The remedy constraint: train with a penalty on the gap between groups, and let validation choose its weight."""

from __future__ import annotations

from audit.remedies import Bench, Choice, remedy
from audit.remedies.options import Constraint
from audit.remedies.parity_choice import ACCURACY, CHECK, choose
from audit.subject import Subject


@remedy(
    "constraint",
    title="Training with a penalty on the gap between groups",
    needs=("groups", "classes", "favourable"),
    checks=(CHECK, ACCURACY),
    trains=True,
)
def constraint(subject: Subject, options: Constraint, bench: Bench) -> Choice:
    """The model trained again from the same start, with a penalty on the gap between groups of the training rows.

    The penalty is `weight` times the variance between the groups of their mean favourable probability, within each
    class that the constraint compares: a covariance as that of Zafar et al. (2017), for any network. Of the
    candidates that lose at most `accuracy_loss` of the accuracy and `balanced_accuracy_loss` of the balanced
    accuracy on the validation rows, the one whose gaps there are nearest to parity is chosen: those that the
    policy's blocking rules judge, else every difference and impact ratio of the candidates' attributes. To decide,
    the attribute need not be known.
    """
    return choose(subject.model, options, bench.train, bench)
