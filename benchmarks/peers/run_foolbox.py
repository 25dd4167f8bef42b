# pyright: reportMissingImports=false
"""The attacks of Foolbox that the protocol names: PGD (it has no Auto-PGD, FAB or Square)."""

from __future__ import annotations

import foolbox
import torch

from benchmarks.peers.serve import Job, main


def pgd(job: Job) -> torch.Tensor:
    """Return PGD's last iterate: steps that together reach 2.5 eps (L2: 5 eps), one random start."""
    if job.norm == "linf":
        attack = foolbox.attacks.LinfPGD(rel_stepsize=2.5 / job.steps, steps=job.steps)
    else:
        attack = foolbox.attacks.L2PGD(rel_stepsize=5 / job.steps, steps=job.steps)
    model = foolbox.PyTorchModel(job.model, bounds=(0, 1), device="cpu")
    return attack(model, job.x, job.y, epsilons=job.eps)[1]


ATTACKS = {"pgd": pgd}

if __name__ == "__main__":
    main("foolbox", ATTACKS)
