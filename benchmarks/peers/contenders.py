"""Who is timed at which work of benchmarks/attacks.py, and how."""

from __future__ import annotations

from typing import Any, NamedTuple

OURS = "jax-audit"


class Contender(NamedTuple):
    """One process: its name, library, what it does of time_ours.WORKS or time_torch.WORKS, and how."""

    name: str
    library: str
    work: str
    how: dict[str, Any]

    @property
    def attack(self) -> bool:
        """Return whether its robust accuracy is compared."""
        return self.work in ("pgd", "pgd, whole", "autoattack")


def _jax(name: str, work: str, **how: Any) -> Contender:
    """Return a contender of ours, on the network that the audit chooses unless told otherwise."""
    return Contender(name, "jax", work, {"rewritten": True, **how})


PGD = (
    _jax(OURS, "pgd"),
    _jax(f"{OURS}, every row to the end", "pgd, whole"),
    *(Contender(name, name, "pgd", {}) for name in ("torchattacks", "foolbox", "art")),
    _jax("bare loop, JAX", "loop", rewritten=False),
    _jax("bare loop, JAX as chosen", "loop"),
    Contender("bare loop, PyTorch", "torch", "loop", {}),
)
CONTENDERS = {
    "pgd": PGD,
    "resnet": PGD,
    "autoattack": (
        _jax(OURS, "autoattack"),
        Contender("torchattacks", "torchattacks", "autoattack", {}),
        *(_jax(f"{OURS}, until a verdict on {a:g}", "verdict", at_least=a) for a in (0.2, 0.9, 0.97)),
    ),
    "units": (
        _jax("JAX", "units", rewritten=False),
        _jax("JAX as chosen", "units"),
        Contender("PyTorch", "torch", "units", {}),
    ),
}
