# pyright: reportMissingImports=false
"""The attacks of the Adversarial Robustness Toolbox (ART), with the protocol's numbers where it can take them.

It has no targeted DLR and no FAB: its AutoAttack runs untargeted APGD-DLR and, in FAB's place, DeepFool. Here
every stage has one random start, as in the protocol, not ART's five.
"""

from __future__ import annotations

import numpy as np
import torch
from art.attacks.evasion import (
    AutoAttack,
    AutoProjectedGradientDescent,
    DeepFool,
    ProjectedGradientDescent,
    SquareAttack,
)
from art.estimators.classification import PyTorchClassifier

from benchmarks.peers.serve import Job, main

NORMS = {"linf": np.inf, "l2": 2}


def classifier(job: Job) -> PyTorchClassifier:
    """Return the network as ART takes it."""
    return PyTorchClassifier(
        model=job.model,
        loss=torch.nn.CrossEntropyLoss(),
        input_shape=tuple(job.x.shape[1:]),
        nb_classes=10,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )


def pgd(job: Job) -> np.ndarray:
    """Return PGD's last iterate: steps that together reach 2.5 eps (L2: 5 eps), one random start."""
    step = (2.5 if job.norm == "linf" else 5) * job.eps / job.steps
    attack = ProjectedGradientDescent(
        classifier(job),
        norm=NORMS[job.norm],
        eps=job.eps,
        eps_step=step,
        max_iter=job.steps,
        num_random_init=1,
        batch_size=job.batch,
        verbose=False,
    )
    return attack.generate(job.x.numpy(), job.y.numpy())


def apgd(job: Job, loss: str) -> AutoProjectedGradientDescent:
    """Return APGD with this loss: 100 iterations, first step 2 eps, one random start."""
    return AutoProjectedGradientDescent(
        classifier(job),
        norm=NORMS[job.norm],
        eps=job.eps,
        eps_step=2 * job.eps,
        max_iter=100,
        nb_random_init=1,
        batch_size=job.batch,
        loss_type=loss,
        verbose=False,
    )


def square(job: Job) -> SquareAttack:
    """Return Square with 5,000 queries."""
    return SquareAttack(
        classifier(job), norm=NORMS[job.norm], max_iter=5000, eps=job.eps, p_init=0.8, verbose=False
    )


def autoattack(job: Job) -> np.ndarray:
    """Return the findings of ART's four stages, each on the examples still standing."""
    stages = [
        apgd(job, "cross_entropy"),
        apgd(job, "difference_logits_ratio"),
        DeepFool(
            classifier(job), max_iter=100, epsilon=1e-3, nb_grads=10, batch_size=job.batch, verbose=False
        ),
        square(job),
    ]
    attack = AutoAttack(
        classifier(job), norm=NORMS[job.norm], eps=job.eps, attacks=stages, batch_size=job.batch
    )
    return attack.generate(job.x.numpy(), job.y.numpy())


ATTACKS = {
    "pgd": pgd,
    "apgd-ce": lambda job: apgd(job, "cross_entropy").generate(job.x.numpy(), job.y.numpy()),
    "square": lambda job: square(job).generate(job.x.numpy(), job.y.numpy()),
    "autoattack": autoattack,
}

if __name__ == "__main__":
    main("adversarial-robustness-toolbox", ATTACKS)
