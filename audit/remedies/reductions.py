"""The remedy reductions: train on weighted, relabelled rows under a parity constraint; validation chooses which."""

from __future__ import annotations

from audit.remedies import Bench, Choice, remedy
from audit.remedies.options import Reductions
from audit.remedies.parity_choice import ACCURACY, CHECK, choose
from audit.subject import Subject


@remedy(
    "reductions",
    title="Reductions to weighted training",
    needs=("groups", "classes", "favourable"),
    checks=(CHECK, ACCURACY),
    trains=True,
)
def reductions(subject: Subject, options: Reductions, bench: Bench) -> Choice:
    """The average score of networks trained from the same start on training rows weighted and relabelled for parity.

    fairlearn's ExponentiatedGradient (Agarwal et al. 2018) finds the networks and their shares on the training rows. It
    means to draw one of them for every decision; here their mean probability is thresholded, so that equal people get
    equal decisions and gradients exist: its bound then need not hold, and what does, the audit says. Of the candidates
    that lose at most `accuracy_loss` of the accuracy and `balanced_accuracy_loss` of the balanced accuracy on the
    validation rows, the one whose gaps there are nearest to parity is chosen, by the same gaps as for `thresholds`. To
    decide, the attribute need not be known.
    """
    return choose(subject.model, options, bench.train, bench)
