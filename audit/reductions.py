"""Networks trained for parity by reductions to weighted training (Agarwal et al. 2018), through fairlearn."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from audit.digests import of_arrays
from audit.errors import ModelError
from audit.remedies.options import PARITIES, Reduction
from audit.remedies.parity_rows import groups_of
from audit.subject import Dataset

if TYPE_CHECKING:
    from models.network import Network

MOMENTS = {
    "demographic_parity": "DemographicParity",
    "equalized_odds": "EqualizedOdds",
    "true_positive_rate_parity": "TruePositiveRateParity",
    "false_positive_rate_parity": "FalsePositiveRateParity",
    "error_rate_parity": "ErrorRateParity",
}
NEGLIGIBLE = 1e-6  # a smaller share is the linear programme's rounding


class Member(NamedTuple):
    """A network of the mixture, its share, and its error and widest gap to all on the training rows."""

    network: Network
    share: float
    error: float
    violation: float


class Reduced(NamedTuple):
    """The mixture that fairlearn found: its members, the shares of constant answers (class 0, class 1), in words."""

    members: tuple[Member, ...]
    constant: tuple[float, float]
    says: str


class _Oracle:
    """The estimator that fairlearn calls: trains on weighted, relabelled rows, and knows rows by their number.

    train: (y[n], weight[n]) -> network; decide: network -> class[n] of the training rows. A call that an earlier one
    has answered is not trained again.
    """

    def __init__(self, train: Callable[..., Any], decide: Callable[..., np.ndarray], favourable: int) -> None:
        self.train, self.decide, self.favourable = train, decide, favourable
        self.known: dict[str, tuple[Any, np.ndarray]] = {}
        self.network: Any = None

    def __deepcopy__(self, memo: Any) -> _Oracle:
        """Return another estimator of the same work; fairlearn copies one for every call."""
        del memo
        other = _Oracle(self.train, self.decide, self.favourable)
        other.known = self.known
        return other

    def fit(self, X: Any, y: Any, sample_weight: Any) -> _Oracle:
        """Train on the relabelled y, 1 for the favourable class, with these weights."""
        del X
        y, weight = np.asarray(y), np.asarray(sample_weight, np.float64)
        own = of_arrays([y, weight])
        if own not in self.known:
            network = self.train(y if self.favourable == 1 else 1 - y, weight)
            self.known[own] = (network, (self.decide(network) == self.favourable).astype(int))
        self.network, self.decided = self.known[own]
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return whether the rows of these numbers are decided favourably, 1 or 0."""
        return self.decided[np.asarray(X, int)[:, 0]]


def reduced(
    data: Dataset, how: Reduction, train: Callable[..., Any], decide: Callable[..., np.ndarray]
) -> Reduced:
    """Return the mixture that fairlearn's ExponentiatedGradient finds on the training rows.

    train: (y[n], weight[n]) -> network, from the same start each time; decide: network -> its class[n] of those rows.
    Of all rounds it is the mixture with the smallest duality gap. Raises ModelError where no network has a share.
    """
    from fairlearn import reductions

    split, good = data.splits["train"], data.favourable
    assert good is not None
    oracle = _Oracle(train, decide, good)
    found = reductions.ExponentiatedGradient(
        oracle,
        getattr(reductions, MOMENTS[how.constraint])(difference_bound=how.difference_bound),
        eps=how.difference_bound,
        max_iter=how.max_iter,
    )
    rows = np.arange(len(split))[:, None]
    y = (np.asarray(split.y) == good).astype(int)
    with warnings.catch_warnings():  # fairlearn's own use of pandas, of which its releases will take care
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="fairlearn")
        found.fit(rows, y, sensitive_features=groups_of(split, how.attribute))
    return _read(found, oracle, how, rows, y)


def _read(found: Any, oracle: _Oracle, how: Reduction, rows: np.ndarray, y: np.ndarray) -> Reduced:
    """Return the members with a share, in fairlearn's order, and what was done in words."""
    members, constant = [], np.zeros(2)
    kept = {i: share for i, share in found.weights_.items() if share > NEGLIGIBLE}
    total = sum(kept.values())
    for i, share in sorted(kept.items()):
        predictor = found.predictors_[i]
        chosen = np.asarray(predictor.predict(rows))
        if isinstance(predictor, _Oracle):
            gaps = found.constraints_.gamma(lambda _, chosen=chosen: chosen)
            members.append(
                Member(predictor.network, share / total, float((chosen != y).mean()), float(gaps.max()))
            )
        else:  # fairlearn's constant answer, where the relabelled rows have one class
            constant[oracle.favourable if chosen[0] else 1 - oracle.favourable] += share / total
    if not members:
        raise ModelError(
            f"reductions for {how}: the mixture is a constant answer", "a network in it", "raise the bound"
        )
    return Reduced(
        tuple(members), (float(constant[0]), float(constant[1])), _says(found, oracle, how, len(members))
    )


def _says(found: Any, oracle: _Oracle, how: Reduction, size: int) -> str:
    """Return what the model is, as a note."""
    rounds = f"{found.last_iter_ + 1} of at most {how.max_iter} rounds, {len(oracle.known)} networks trained"
    return (
        f"The average score of {size} network{'s' * (size > 1)}, thresholded: fairlearn's ExponentiatedGradient for "
        f"{PARITIES[how.constraint]} by {how.attribute} on the training rows gave their shares (difference bound "
        f"{how.difference_bound:g}, {rounds}, duality gap {found.best_gap_:.2g}). It would draw one network for each "
        "decision, and bounds the gap of that; the thresholded average has a gap of its own."
    )
