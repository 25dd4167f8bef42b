"""The options of the remedies, and of adversarial training in the training loop (no JAX)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from audit.registry import Options

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
NORMS = {"linf": "L-infinity", "l2": "L2"}
BETA = 6.0  # Zhang et al. 2019, 1/lambda of their Table 5
REPLAYS = 8  # Shafahi et al. 2019, m of their CIFAR-10 experiments
PARITIES = {
    "demographic_parity": "demographic parity",
    "equalized_odds": "equalized odds",
    "true_positive_rate_parity": "equal opportunity",
    "false_positive_rate_parity": "predictive equality",
    "error_rate_parity": "error rate parity",
}
Parities = Literal[
    "demographic_parity",
    "equalized_odds",
    "true_positive_rate_parity",
    "false_positive_rate_parity",
    "error_rate_parity",
]
_OWN = {"beta": "trades", "replays": "free"}


class Adversarial(Options):
    """How training rows are moved against the model while it trains: model.train.adversarial."""

    method: Literal["pgd", "trades", "free"] = Field(
        "pgd", description="pgd (Madry et al. 2018), trades (Zhang et al. 2019), free (Shafahi et al. 2019)"
    )
    norm: Literal["linf", "l2"] = Field("linf", description="norm that bounds a perturbation")
    eps: Positive = Field(
        description="radius: standard deviations of a table's features, a share of an image's pixel range"
    )
    steps: int = Field(7, ge=1, description="gradient steps of the attack; free: of that on validation alone")
    step_size: Positive | None = Field(
        None, description="step, relative to eps; null: 2.5 / steps (linf), 5 / steps (l2), 1 (free)"
    )
    beta: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        None, description=f"trades alone: weight of the divergence; null: {BETA:g}"
    )
    replays: int | None = Field(
        None, ge=1, description=f"free alone: updates a batch, so many times an epoch's cost; null: {REPLAYS}"
    )

    @model_validator(mode="after")
    def _own_options(self) -> Adversarial:
        for name, method in _OWN.items():
            if getattr(self, name) is not None and self.method != method:
                raise ValueError(f"{name} without method: {method} (it is {self.method})")
        return self

    def __str__(self) -> str:
        own = {
            "pgd": f"PGD with {self.steps} steps",
            "trades": f"TRADES with {self.steps} steps and beta {BETA if self.beta is None else self.beta:g}",
            "free": f"free with {REPLAYS if self.replays is None else self.replays} replays",
        }
        return f"{own[self.method]}, {NORMS[self.norm]} eps {self.eps:g}"


class Parity(Options):
    """Thresholds of each group in the decision rule's place: decision.parity (Hardt, Price & Srebro 2016)."""

    attribute: str = Field(description="sensitive attribute whose groups get thresholds of their own")
    constraint: Literal[
        "demographic_parity", "equalized_odds", "true_positive_rate_parity", "false_positive_rate_parity"
    ] = Field("demographic_parity", description="what the groups have in common, as fairlearn names it")
    objective: Literal["accuracy_score", "balanced_accuracy_score"] = Field(
        "accuracy_score", description="what is then largest"
    )

    def __str__(self) -> str:
        return f"{PARITIES[self.constraint]} by {self.attribute}"


class ParityPenalty(Options):
    """A penalty on the gap between groups while the network trains: model.train.parity."""

    attribute: str = Field(description="sensitive attribute whose groups are compared; need not be a feature")
    constraint: Parities = Field(
        "demographic_parity", description="whose mean favourable probability is compared"
    )
    weight: Positive = Field(
        description="strength: what a variance of 1 between the groups' means adds to the mean loss"
    )

    def __str__(self) -> str:
        return f"{PARITIES[self.constraint]} by {self.attribute}, weight {self.weight:g}"


class Reduction(Options):
    """Retraining on weighted, relabelled rows (Agarwal et al. 2018): model.train.reductions."""

    attribute: str = Field(description="sensitive attribute whose groups are compared; need not be a feature")
    constraint: Parities = Field(
        "demographic_parity", description="what the groups have in common, as fairlearn names it"
    )
    difference_bound: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.01, description="most that a group's rate may differ from that of all, on the training rows"
    )
    max_iter: int = Field(
        10, ge=1, description="rounds of exponentiated gradient; each trains 3 times or more"
    )
    epochs: int | None = Field(
        10, ge=1, description="epochs of each of those trainings, without early stopping; null: model.train's"
    )

    def __str__(self) -> str:
        return f"{PARITIES[self.constraint]} by {self.attribute}, bound {self.difference_bound:g}"


WAYS = {Adversarial: "adversarial", ParityPenalty: "parity", Reduction: "reductions"}  # of model.train


class AdversarialTraining(Options):
    """Options of the remedy adversarial_training."""

    candidates: tuple[Adversarial, ...] = Field(
        min_length=1, description="ways to train, of which validation chooses one"
    )
    accuracy_loss: Share = Field(
        0.02,
        description="most accuracy on validation that a candidate may lose against the model asked about",
    )


class Scaling(Options):
    """Options of the remedy scaling."""

    methods: tuple[Literal["temperature", "vector"], ...] = Field(
        ("temperature", "vector"), min_length=1, description="ways to scale, of which validation chooses one"
    )


class Thresholds(Options):
    """Options of the remedy thresholds."""

    candidates: tuple[Parity, ...] = Field(
        min_length=1, description="attributes and constraints, of which validation chooses one"
    )
    accuracy_loss: Share = Field(
        0.02,
        description="most accuracy on validation that a candidate may lose against the model asked about",
    )
    balanced_accuracy_loss: Share = Field(
        0.05, description="the same of balanced accuracy: one answer to everybody is no parity worth having"
    )


class Constraint(Options):
    """Options of the remedy constraint."""

    candidates: tuple[ParityPenalty, ...] = Field(
        min_length=1, description="penalties to train with, of which validation chooses one"
    )
    accuracy_loss: Share = Field(
        0.02,
        description="most accuracy on validation that a candidate may lose against the model asked about",
    )
    balanced_accuracy_loss: Share = Field(
        0.05, description="the same of balanced accuracy: one answer to everybody is no parity worth having"
    )


class Reductions(Options):
    """Options of the remedy reductions."""

    candidates: tuple[Reduction, ...] = Field(
        min_length=1, description="constraints to train under, of which validation chooses one"
    )
    accuracy_loss: Share = Field(
        0.02,
        description="most accuracy on validation that a candidate may lose against the model asked about",
    )
    balanced_accuracy_loss: Share = Field(
        0.05, description="the same of balanced accuracy: one answer to everybody is no parity worth having"
    )
