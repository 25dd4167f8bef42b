"""The options of explanation.trust."""

from __future__ import annotations

from pydantic import Field

from audit.games.explainers import Effort, Name
from audit.registry import Options

QUICK = {
    "rows": 30,
    "tested_rows": 8,
    "background": 8,
    "fills": 4,
    "random_orders": 2,
    "rounds": 1,
    "moves": 2,
}


class TrustOptions(Options):
    """Options of explanation.trust."""

    explainers: tuple[Name, ...] = Field(
        ("shapley",), min_length=1, description="explanations tested: shapley, gradient (times departure)"
    )
    rows: int = Field(100, ge=2, description="test rows explained, drawn by the seed")
    background: int = Field(32, ge=1, description="train rows that fill in missing inputs of the explanation")
    exact_up_to: int = Field(10, ge=1, le=16, description="most players whose every coalition is evaluated")
    rounds: int = Field(8, ge=1, description="most sampling rounds: two permutation pairs a background row")
    target_error: float = Field(
        0.1, ge=0, description="a row's sampling stops at this standard error, as a share of its mean |value|"
    )
    patches: int = Field(4, ge=2, description="patches a side of an image; each patch is one player")
    batch: int = Field(2048, ge=1, description="inputs run through the model at a time")
    fills: int = Field(8, ge=1, description="train rows, drawn for each row, of the baseline train")
    random_orders: int = Field(5, ge=1, description="random orders of the players a row is compared with")
    shares: tuple[float, ...] = Field(
        (0.1, 0.2, 0.5), min_length=1, description="shares of players of comprehensiveness and sufficiency"
    )
    subsets: int = Field(16, ge=1, description="random subsets of the players of infidelity, a row")
    tested_rows: int = Field(
        40, ge=2, description="rows explained again: other parameters, inputs, background"
    )
    moves: int = Field(4, ge=1, description="random moves of a row's input")
    radius: float = Field(
        0.1,
        gt=0,
        description="largest move: of a numeric column in standard deviations, of a pixel as a share of its range",
    )
    cascade: int = Field(4, ge=1, description="most steps from the output layer to all parameters")
    top: int = Field(3, ge=1, description="players counted as the most important, at most half of them")
    retrain: int = Field(0, ge=0, description="models trained again with other seeds (a model trained here)")

    @property
    def effort(self) -> Effort:
        """Return how much work an explanation may be."""
        return Effort(self.exact_up_to, self.rounds, self.target_error, self.batch)

    def quick(self) -> TrustOptions:
        """Return options that spend less."""
        return self.model_copy(update={name: min(most, getattr(self, name)) for name, most in QUICK.items()})
