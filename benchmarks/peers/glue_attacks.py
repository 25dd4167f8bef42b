# pyright: reportMissingImports=false
"""Robust accuracy as a user of torchattacks, Foolbox and ART glues it together, on one split and one network.

Images: torchattacks (FGSM, PGD and AutoAttack's stages; Foolbox for the L2 step and for FMN). Tables: ART, which can
leave columns alone, in units of each column's standard deviation.
"""

from __future__ import annotations

from typing import Any

import foolbox
import numpy as np
import torch
import torchattacks
from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescent
from art.estimators.classification import PyTorchClassifier

from benchmarks.peers.run_torchattacks import stages
from benchmarks.peers.serve import Job

BATCH = 256
ORDERS = {"linf": np.inf, "l2": 2}


class Scaled(torch.nn.Module):
    """The network on inputs in units of their own, with two logits where it has one."""

    def __init__(self, network: torch.nn.Module, unit: torch.Tensor) -> None:
        super().__init__()
        self.network, self.unit = network, unit

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        outputs = self.network(z * self.unit)
        return torch.cat([torch.zeros_like(outputs), outputs], 1) if outputs.shape[1] == 1 else outputs


class Space:
    """Rows in the space of the attack, x[n, ...] and y[n] with what bounds them; frozen columns have scale 0."""

    def __init__(self, network: Any, given: dict[str, np.ndarray], table: bool) -> None:
        unit = np.where(given["scale"] == 0, 1.0, given["scale"]) if table else np.ones(())
        self.table = table
        self.model = Scaled(network, torch.from_numpy(np.asarray(unit, np.float32))).eval()
        self.network = network
        x = given["x"] / unit if table else given["x"].transpose(0, 3, 1, 2)
        self.x = torch.from_numpy(np.ascontiguousarray(x, np.float32))
        self.y = torch.from_numpy(given["y"].astype(np.int64))
        self.bounds = tuple(
            (given[name] / unit).astype(np.float32) if table else given[name] for name in ("low", "high")
        )
        self.mask = (given["scale"] != 0).astype(np.float32)

    def right(self, rows: np.ndarray) -> torch.Tensor:
        """Return those of the rows that are decided rightly."""
        at = torch.from_numpy(rows)
        return at[self.decided(self.x[at]) == self.y[at]]

    def decided(self, x: torch.Tensor) -> torch.Tensor:
        """Return the decided classes."""
        with torch.no_grad():
            return torch.cat([self.model(part).argmax(1) for part in x.split(1024)])

    def classifier(self) -> PyTorchClassifier:
        """Return the network as ART takes it."""
        loss = torch.nn.CrossEntropyLoss()
        shape, classes = tuple(self.x.shape[1:]), max(2, int(self.y.max()) + 1)
        return PyTorchClassifier(self.model, loss, shape, classes, clip_values=self.bounds, device_type="cpu")


def fgsm(space: Space, at: torch.Tensor, norm: str, eps: float, options: dict[str, Any]) -> torch.Tensor:
    """Return the rows after one step."""
    x, y = space.x[at], space.y[at]
    if space.table:
        attack = FastGradientMethod(space.classifier(), norm=ORDERS[norm], eps=eps, batch_size=BATCH)
        return torch.from_numpy(attack.generate(x.numpy(), y.numpy(), mask=space.mask))
    if norm == "linf":
        return _batched(torchattacks.FGSM(space.model, eps=eps), x, y)
    model, step = (
        foolbox.PyTorchModel(space.model, bounds=(0, 1), device="cpu"),
        foolbox.attacks.L2FastGradientAttack(),
    )
    return _batched(lambda x, y: step(model, x, y, epsilons=eps)[1], x, y)


def pgd(space: Space, at: torch.Tensor, norm: str, eps: float, options: dict[str, Any]) -> torch.Tensor:
    """Return the rows after so many steps, of the audit's size, from one random start."""
    x, y, steps = space.x[at], space.y[at], options["steps"]
    step = eps * (options["step_size"] or (2.5 if norm == "linf" else 5.0) / steps)
    if space.table:
        how: dict[str, Any] = {"norm": ORDERS[norm], "eps": eps, "eps_step": step, "max_iter": steps}
        attack = ProjectedGradientDescent(
            space.classifier(), **how, num_random_init=options["restarts"], batch_size=BATCH, verbose=False
        )
        return torch.from_numpy(attack.generate(x.numpy(), y.numpy(), mask=space.mask))
    kind = torchattacks.PGD if norm == "linf" else torchattacks.PGDL2
    return _batched(kind(space.model, eps=eps, alpha=step, steps=steps), x, y)


def autoattack(
    space: Space, at: torch.Tensor, norm: str, eps: float, options: dict[str, Any]
) -> torch.Tensor:
    """Return the rows after AutoAttack's four stages, each on those still standing."""
    job = Job(space.model, space.x[at], space.y[at], norm, eps, 0)  # pyright: ignore[reportArgumentType]
    return torchattacks.MultiAttack(list(stages(job).values()))(job.x, job.y)


def robust(space: Space, attack: Any, rows: np.ndarray, options: dict[str, Any]) -> dict[str, float]:
    """Return robust accuracy by norm and eps: the rows decided rightly before and after."""
    at, found = space.right(rows), {}
    for norm, eps in options["radii"]:
        stands = space.decided(attack(space, at, norm, eps, options)) == space.y[at]
        found[f"{norm} {eps:g}"] = float(stands.sum()) / len(rows)
    return found


def minimum(space: Space, rows: np.ndarray, options: dict[str, Any]) -> dict[str, float]:
    """Return robust accuracy by norm and eps from the smallest perturbations that Foolbox's FMN finds."""
    at, found = space.right(rows), {}
    model = foolbox.PyTorchModel(space.model, bounds=(0, 1), device="cpu")
    kinds = {"linf": foolbox.attacks.LInfFMNAttack, "l2": foolbox.attacks.L2FMNAttack}
    for norm in dict.fromkeys(norm for norm, _ in options["radii"]):
        moved = kinds[norm](steps=options["steps"])(model, space.x[at], space.y[at], epsilons=None)[0]
        shift = (moved - space.x[at]).flatten(1)
        size = shift.abs().amax(1) if norm == "linf" else shift.norm(dim=1)
        fell = space.decided(moved) != space.y[at]
        for eps in [eps for own, eps in options["radii"] if own == norm]:
            found[f"{norm} {eps:g}"] = float((~(fell & (size <= eps))).sum()) / len(rows)
    return found


def _batched(attack: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return what an attack makes of the rows, batch by batch."""
    return torch.cat([attack(a, b) for a, b in zip(x.split(BATCH), y.split(BATCH), strict=True)])
