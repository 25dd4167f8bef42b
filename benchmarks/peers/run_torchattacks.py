# pyright: reportMissingImports=false
"""The attacks of torchattacks, with the protocol's numbers in place of its defaults (10 steps).

Its metadata ask for torchvision, which none of its code imports: install it without dependencies.
"""

from __future__ import annotations

import torch
import torchattacks
from torchattacks.attack import Attack

from benchmarks.peers.serve import Job, main

NORMS = {"linf": "Linf", "l2": "L2"}


def pgd(job: Job) -> torch.Tensor:
    """Return PGD's last iterate: steps that together reach 2.5 eps (L2: 5 eps), one random start."""
    if job.norm == "linf":
        attack = torchattacks.PGD(job.model, eps=job.eps, alpha=2.5 * job.eps / job.steps, steps=job.steps)
    else:
        attack = torchattacks.PGDL2(job.model, eps=job.eps, alpha=5 * job.eps / job.steps, steps=job.steps)
    return attack(job.x, job.y)


def stages(job: Job) -> dict[str, Attack]:
    """Return the four attacks of AutoAttack 'standard' (Croce and Hein 2020)."""
    given = {"norm": NORMS[job.norm], "eps": job.eps, "seed": job.seed, "n_restarts": 1}
    return {
        "apgd-ce": torchattacks.APGD(job.model, steps=100, loss="ce", **given),
        "apgd-t": torchattacks.APGDT(job.model, steps=100, n_classes=10, **given),
        "fab-t": torchattacks.FAB(job.model, steps=100, multi_targeted=True, n_classes=10, **given),
        "square": torchattacks.Square(job.model, n_queries=5000, **given),
    }


def autoattack(job: Job) -> torch.Tensor:
    """Return the four stages' findings, each on the examples still standing."""
    return torchattacks.MultiAttack(list(stages(job).values()))(job.x, job.y)


def alone(name: str):
    """Return one stage as an attack of its own."""
    return lambda job: stages(job)[name](job.x, job.y)


STAGES = ("apgd-ce", "apgd-t", "fab-t", "square")
ATTACKS = {"pgd": pgd, "autoattack": autoattack, **{name: alone(name) for name in STAGES}}

if __name__ == "__main__":
    main("torchattacks", ATTACKS)
