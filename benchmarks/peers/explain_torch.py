# pyright: reportMissingImports=false
"""In a process of its own: captum's and shap's attributions of a job by PyTorch, timed.

    python -m benchmarks.peers.pinned THREADS benchmarks.peers.explain_torch JOB

A job is a file of explained.py. Question: run (method, rows, how, answer: a file for the values).
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np
import torch

from benchmarks.peers.children import Answer, answers

AGREE = 1e-4  # the outputs must be those of JAX to this, relative and absolute
Made = tuple[np.ndarray, int]


class Cut(torch.nn.Module):
    """The built-in network `cnn` as layers, so that captum finds its last convolution."""

    def __init__(self, w: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.conv1, self.conv2 = (_convolution(w, f"conv{i}") for i in (1, 2))
        self.dense1, self.dense2 = (_dense(w[f"dense{i}/kernel"], w[f"dense{i}/bias"]) for i in (1, 2))
        self.pool, self.last = torch.nn.MaxPool2d(2), torch.nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.last(self.conv2(self.pool(torch.relu(self.conv1(x)))))
        x = self.pool(x).permute(0, 2, 3, 1).flatten(1)
        return self.dense2(torch.relu(self.dense1(x)))


def _convolution(w: dict[str, np.ndarray], name: str) -> torch.nn.Conv2d:
    kernel = w[f"{name}/kernel"]
    layer = torch.nn.Conv2d(kernel.shape[2], kernel.shape[3], 3, padding=1)
    layer.weight.data = torch.from_numpy(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
    layer.bias.data = torch.from_numpy(w[f"{name}/bias"])  # pyright: ignore
    return layer


def _dense(kernel: np.ndarray, bias: np.ndarray) -> torch.nn.Linear:
    layer = torch.nn.Linear(*kernel.shape)
    layer.weight.data = torch.from_numpy(np.ascontiguousarray(kernel.T))
    layer.bias.data = torch.from_numpy(bias)
    return layer


def network(given: dict[str, np.ndarray]) -> torch.nn.Module:
    """Return the job's network, its outputs checked."""
    if json.loads(str(given["how"]))["kind"] == "cnn":
        model: torch.nn.Module = Cut({k.removeprefix("weights/"): v for k, v in given.items()})
    else:
        dense = [_dense(given[f"w{i}"], given[f"b{i}"]) for i in range(4)]
        model = torch.nn.Sequential(*[m for layer in dense for m in (layer, torch.nn.ReLU())][:-1])
    model.requires_grad_(False).eval()
    with torch.no_grad():
        outputs = model(inputs(given["x"])).numpy()
    if not np.allclose(outputs, given["outputs"], rtol=AGREE, atol=AGREE):
        raise SystemExit(
            f"the rebuilt network's outputs differ by {np.abs(outputs - given['outputs']).max():.2g}"
        )
    return model


def inputs(x: np.ndarray) -> torch.Tensor:
    """Return rows as PyTorch takes them: an image's channels first."""
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2) if x.ndim == 4 else x))


def captum_integrated(
    model: torch.nn.Module, given: dict[str, np.ndarray], rows: int, how: dict[str, Any]
) -> Made:
    """Return captum's integrated gradients, Gauss-Legendre, as it comes: every step of every row in one batch."""
    from captum.attr import IntegratedGradients

    x, start = inputs(given["x"][:rows]), inputs(given["z"].mean(axis=0, keepdims=True))
    column = torch.from_numpy(given["column"][:rows])
    made = IntegratedGradients(model).attribute(x, start, target=column, **how)
    values = made.numpy()
    return values.transpose(0, 2, 3, 1) if values.ndim == 4 else values, rows * how["n_steps"]


def captum_grad_cam(model: Any, given: dict[str, np.ndarray], rows: int, how: dict[str, Any]) -> Made:
    """Return captum's Grad-CAM maps."""
    from captum.attr import LayerGradCam

    column = torch.from_numpy(given["column"][:rows])
    cam = LayerGradCam(model, model.last)
    made = cam.attribute(inputs(given["x"][:rows]), target=column, relu_attributions=True)
    return made[:, 0].detach().numpy(), rows


def by_shap(model: torch.nn.Module, given: dict[str, np.ndarray], rows: int, how: dict[str, Any]) -> Made:
    """Return the values of one of shap's explainers against the whole background."""
    import shap

    evaluations = 0

    def f(x: np.ndarray) -> np.ndarray:
        nonlocal evaluations
        evaluations += len(x)
        with torch.no_grad():
            return model(torch.from_numpy(np.asarray(x, np.float32)))[:, 0].numpy()

    x, z = given["x"][:rows], given["z"]
    if how["explainer"] == "permutation":
        library: Any = shap
        masker = library.maskers.Independent(z, max_samples=len(z))
        explainer: Any = shap.PermutationExplainer(f, masker, seed=how.get("seed", 0))
        values = explainer(x, max_evals=how["permutations"] * (2 * x.shape[1] + 1), silent=True).values
    else:
        np.random.seed(how.get("seed", 0))
        kind: Any = {"kernel": shap.KernelExplainer, "sampling": shap.SamplingExplainer}[how["explainer"]]
        more = {"l1_reg": False} if how["explainer"] == "kernel" else {}  # its default keeps ten features
        values = kind(f, z).shap_values(x, nsamples=how["samples"], silent=True, **more)
    return np.asarray(values, np.float64).reshape(x.shape), evaluations


METHODS: dict[str, Callable[..., Made]] = {
    "integrated": captum_integrated,
    "grad_cam": captum_grad_cam,
    "shapley": by_shap,
}


def main() -> None:
    """Answer the questions about the job file named by the first argument."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    with np.load(sys.argv[1]) as file:
        given = dict(file)
    model = network(given)

    def run(question: Answer) -> Answer:
        wall, cpu = time.perf_counter(), time.process_time()
        values, evaluations = METHODS[question["method"]](model, given, question["rows"], question["how"])
        took = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
        np.save(question["answer"], values)
        return {**took, "evaluations": evaluations}

    versions = {name: metadata.version(name) for name in ("torch", "captum", "shap")}
    answers(lambda: {"versions": versions}, {"run": run})


if __name__ == "__main__":
    main()
