"""A function's traced computation, evaluated with chosen operations replaced by others of equal value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from models.rewrite import convolve, pool

Rule = Callable[[Sequence[Any], Mapping[str, Any]], Callable[..., jax.Array] | None]
RULES: dict[str, Rule] = {
    "conv_general_dilated": convolve.rule,
    "reduce_window_max": pool.max_rule,
    "reduce_window_sum": pool.sum_rule,
}
CHECKPOINTS = ("checkpoint", "remat", "remat2")
INLINED = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr"}


def rewritten(apply: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of the same arguments and values, with the operations that RULES take replaced.

    The function is traced at each call (so call it inside jit). Operations with a derivative rule of the
    user's own (custom_jvp, custom_vjp) and while loops keep all that is inside them. A function that cannot
    be traced, or has nothing to replace, is called as it is. Reverse mode only: `jax.jvp` through a
    replaced operation is an error of JAX.
    """

    def apply_rewritten(*args: Any) -> Any:
        try:
            closed, shape = jax.make_jaxpr(apply, return_shape=True)(*args)
        except Exception:  # noqa: BLE001  (the call below raises it again, as the user's own)
            closed, shape = None, None
        if closed is None or not replaceable(closed.jaxpr):
            return apply(*args)
        values = _evaluated(closed.jaxpr, closed.consts, jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shape), values)

    return apply_rewritten


def replaceable(jaxpr: Jaxpr) -> Counter[str]:
    """Return how many operations of each primitive would be replaced, those inside scans counted once."""
    found: Counter[str] = Counter()
    for eqn in jaxpr.eqns:
        if _replacement(eqn) is not None:
            found[eqn.primitive.name] += 1
        for inner in _inner(eqn):
            found += replaceable(inner)
    return found


def _replacement(eqn: JaxprEqn) -> Callable[..., jax.Array] | None:
    """Return what takes the place of one operation, if anything does."""
    rule = RULES.get(eqn.primitive.name)
    return rule([v.aval for v in eqn.invars], eqn.params) if rule else None


def _inner(eqn: JaxprEqn) -> list[Jaxpr]:
    """Return the computations inside an operation that replacements may enter."""
    name, params = eqn.primitive.name, eqn.params
    if name in INLINED:
        return [_opened(params[INLINED[name]])]
    if name == "scan" or name in CHECKPOINTS:
        return [_opened(params["jaxpr"])]
    return [_opened(branch) for branch in params["branches"]] if name == "cond" else []


def _opened(jaxpr: Jaxpr | ClosedJaxpr) -> Jaxpr:
    """Return the computation without its constants."""
    return jaxpr.jaxpr if isinstance(jaxpr, ClosedJaxpr) else jaxpr


def _evaluated(jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    """Return the values of a computation, operation by operation."""
    known = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *args), strict=True))

    def read(v: Any) -> Any:
        return v.val if isinstance(v, Literal) else known[v]

    for eqn in jaxpr.eqns:
        values = _results(eqn, [read(v) for v in eqn.invars])
        known.update(zip(eqn.outvars, values, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _results(eqn: JaxprEqn, values: list[Any]) -> Sequence[Any]:
    """Return the results of one operation, replaced where a rule takes it."""
    replacement = _replacement(eqn)
    if replacement is not None:
        return [replacement(*values)]
    if any(replaceable(inner) for inner in _inner(eqn)):
        return REBUILT.get(eqn.primitive.name, _call)(eqn, values)
    bound = eqn.primitive.get_bind_params(eqn.params)
    functions, params = bound if isinstance(bound, tuple) else ((), bound)  # JAX before 0.10
    with eqn.ctx.manager:
        results = eqn.primitive.bind(*functions, *values, **params)
    return results if eqn.primitive.multiple_results else [results]


def _function(jaxpr: Jaxpr | ClosedJaxpr) -> Callable[..., list[Any]]:
    """Return the rewritten computation as a function of its inputs."""
    consts = jaxpr.consts if isinstance(jaxpr, ClosedJaxpr) else ()
    return lambda *values: _evaluated(_opened(jaxpr), consts, values)


def _call(eqn: JaxprEqn, values: list[Any]) -> list[Any]:
    """Return the results of a call, its body evaluated in place."""
    return _function(eqn.params[INLINED[eqn.primitive.name]])(*values)


def _checkpoint(eqn: JaxprEqn, values: list[Any]) -> list[Any]:
    """Return the results of a body whose intermediate values the backward pass computes again."""
    keep = {name: eqn.params[name] for name in ("prevent_cse", "policy")}
    return jax.checkpoint(_function(eqn.params["jaxpr"]), **keep)(*values)


def _scan(eqn: JaxprEqn, values: list[Any]) -> list[Any]:
    """Return the results of a scan."""
    params = eqn.params
    shared, carried = params["num_consts"], params["num_carry"]
    body, consts = _function(params["jaxpr"]), values[:shared]

    def step(carry: list[Any], x: list[Any]) -> tuple[list[Any], list[Any]]:
        results = body(*consts, *carry, *x)
        return results[:carried], results[carried:]

    carry, ys = lax.scan(
        step,
        values[shared : shared + carried],
        values[shared + carried :],
        length=params["length"],
        reverse=params["reverse"],
        unroll=params["unroll"],
    )
    return [*carry, *ys]


def _cond(eqn: JaxprEqn, values: list[Any]) -> list[Any]:
    """Return the results of the branch that the first value chooses."""
    return lax.switch(values[0], [_function(branch) for branch in eqn.params["branches"]], *values[1:])


REBUILT: dict[str, Callable[[JaxprEqn, list[Any]], list[Any]]] = {
    **dict.fromkeys(CHECKPOINTS, _checkpoint),
    "scan": _scan,
    "cond": _cond,
}
