"""What searches for the smallest perturbation share: the question they ask, the best answer, the last shrinking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from audit.attacks.balls import Ball, Norm, size
from audit.attacks.losses import Loss
from audit.attacks.slope import Apply

ROUNDING = 16  # float32 spacings of the largest score by which a decision must be wrong to count
PAST = 1e-3  # of the bracket, how far beyond the expected boundary the last shrinking looks
DUAL: dict[Norm, Norm] = {"linf": "l1", "l2": "l2", "l1": "linf"}
Pull = Callable[[Array], Array]


class Nearest(NamedTuple):
    """The nearest wrongly decided inputs[n, ...] found, their size[n] in the norm (infinite where none), found[n].

    Where none was found the input is x itself; where x is decided wrongly it is x, of size 0.
    """

    x: Array
    size: Array
    found: Array


class Best(NamedTuple):
    """The state of a search between its runs: the smallest u[n, ...] that is decided wrongly, and its size[n].

    towards[n, k]: the most likely wrong classes at x, to aim at one after the other.
    """

    u: Array
    size: Array
    towards: Array


@dataclass(frozen=True)
class Goal:
    """What a search asks of a model: the inputs of `ball` (its eps apart) whose decision is not y[n]."""

    apply: Apply
    params: Any
    ball: Ball
    y: Array
    loss: Loss

    def scores(self, u: Array) -> Array:
        """Return scores[n, classes] at displacement u, in logits, of which the largest decides."""
        return self.loss.scores(self.apply(self.params, self.ball.place(u)))

    def margin(self, scores: Array) -> Array:
        """Return the margin[n], raised a little, so that below 0 the decision is wrong whatever the rounding."""
        largest = jnp.max(jnp.where(jnp.isfinite(scores), jnp.abs(scores), 0.0), axis=1)
        return Loss().margin(scores, self.y) + ROUNDING * jnp.finfo(scores.dtype).eps * largest

    def scores_and_pull(self, u: Array) -> tuple[Array, Pull]:
        """Return the scores and the function from weights[n, classes] to the gradient in u of their weighted sum."""
        scores, back = jax.vjp(lambda x: self.loss.scores(self.apply(self.params, x)), self.ball.place(u))

        def pull(weights: Array) -> Array:
            g = self.ball.scale * back(weights)[0]
            return jnp.nan_to_num(g, nan=0.0, posinf=0.0, neginf=0.0)

        return scores, pull

    def lead(self, scores: Array, pull: Pull, other: Array) -> tuple[Array, Array]:
        """Return by how much the score of class y[n] exceeds that of the other[n], and the gradient of it in u."""
        one = partial(jax.nn.one_hot, num_classes=scores.shape[1], dtype=scores.dtype)
        weights = one(self.y) - one(other)
        return jnp.sum(jnp.where(weights == 0, 0.0, weights * scores), axis=1), pull(weights)

    def begin(self, targets: int) -> Best:
        """Return x itself, of size 0 where it is decided wrongly, else infinite, and at least one class to aim at."""
        u = jnp.zeros_like(self.ball.x)
        scores = self.scores(u)
        length = jnp.where(self.margin(scores) < 0, 0.0, jnp.inf).astype(u.dtype)
        return Best(u, length, Loss().targets(scores, self.y, max(1, targets)))

    def keep(self, best: Best, u: Array, margin: Array) -> Best:
        """Return the smaller of best and u where u is decided wrongly."""
        length = size(u, self.ball.norm).reshape(-1)
        better = (margin < 0) & (length < best.size)
        return best._replace(
            u=jnp.where(self.each(better), u, best.u), size=jnp.where(better, length, best.size)
        )

    def each(self, values: Array) -> Array:
        """Return values[n] shaped to multiply inputs[n, ...]."""
        return values.reshape(self.ball.eps.shape)

    def finish(self, best: Best, rounds: int) -> Nearest:
        """Return the best, pulled towards x along the segment as far as it stays wrong, in so many forwards.

        The first two look at the ends; then linear interpolation of the margin, as in FAB's last search, takes
        turns with the midpoint.
        """

        def narrow(i: Array, s: tuple[Array, ...]) -> tuple[Array, ...]:
            near, far, above, below = s
            part = jnp.where(i % 2 == 0, jnp.minimum(above / (above - below) + PAST, 1.0), 0.5)
            t = jnp.where(i < 2, i.astype(far.dtype), near + (far - near) * jnp.nan_to_num(part, nan=0.5))
            margin = self.margin(self.scores(self.each(t) * best.u))
            fell = margin < 0
            near, above = jnp.where(fell, near, t), jnp.where(fell, above, margin)
            return near, jnp.where(fell, t, far), above, jnp.where(fell, margin, below)

        zero, one = jnp.zeros_like(best.size), jnp.ones_like(best.size)
        far = jax.lax.fori_loop(0, rounds, narrow, (zero, one, one, -one))[1]
        u = self.each(far) * best.u
        found = jnp.isfinite(best.size)
        length = jnp.where(found, size(u, self.ball.norm).reshape(-1), jnp.inf)
        return Nearest(jnp.where(self.each(found), self.ball.place(u), self.ball.x), length, found)
