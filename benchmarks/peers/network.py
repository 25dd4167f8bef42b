# pyright: reportMissingImports=false
"""In PyTorch: the networks under attack with weights from JAX, counting the rows they are asked about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

EPS = 1e-5  # flax.nnx.BatchNorm's
DROPOUT = 0.2  # the perceptron's, in training alone


class Network(torch.nn.Module):
    """outputs(weights, images[n, c, h, w]); `forward_rows`, `backward_rows` count passes.

    weights: the arrays by their names in JAX, with '_' for '/', in PyTorch's layout.
    """

    def __init__(self, weights: dict[str, np.ndarray], outputs: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        for name, array in weights.items():
            layout = (3, 2, 0, 1) if array.ndim == 4 else (1, 0) if array.ndim == 2 else (0,)
            tensor = torch.from_numpy(np.ascontiguousarray(array.transpose(layout)))
            self.register_parameter(name.replace("/", "_"), torch.nn.Parameter(tensor, requires_grad=False))
        self.outputs = outputs
        self.forward_rows = self.backward_rows = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.forward_rows += len(x)
        outputs = self.outputs(self, x)
        if outputs.requires_grad:
            outputs.register_hook(self._count)
        return outputs

    def _count(self, gradient: torch.Tensor) -> None:
        self.backward_rows += len(gradient)


def cnn(w: Any, x: torch.Tensor) -> torch.Tensor:
    """Return the logits of the built-in network `cnn`: Conv-pool-Conv-pool-Dense-Dense."""
    x = F.max_pool2d(F.relu(F.conv2d(x, w.conv1_kernel, w.conv1_bias, padding=1)), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, w.conv2_kernel, w.conv2_bias, padding=1)), 2)
    x = x.permute(0, 2, 3, 1).flatten(1)  # the order in which the JAX network flattens
    x = F.relu(F.linear(x, w.dense1_kernel, w.dense1_bias))
    return F.linear(x, w.dense2_kernel, w.dense2_bias)


def classic_cnn(w: Any, x: torch.Tensor) -> torch.Tensor:
    """Return the logits of the built-in network `classic_cnn`: Conv-pool-Dense."""
    x = F.max_pool2d(F.relu(F.conv2d(x, w.conv_kernel, w.conv_bias)), 2)
    return F.linear(x.permute(0, 2, 3, 1).flatten(1), w.dense_kernel, w.dense_bias)


def resnet(w: Any, x: torch.Tensor) -> torch.Tensor:
    """Return the logits of the residual network of benchmarks/peers/resnet.py."""
    x = F.relu(_normed(w, "norm", F.conv2d(x, w.conv_kernel, padding=1)))
    for number in range(8):
        x = _block(w, f"blocks_{number}_", x, stride=2 if number in (2, 4, 6) else 1)
    return F.linear(x.mean((2, 3)), w.dense_kernel, w.dense_bias)


def _block(w: Any, name: str, x: torch.Tensor, stride: int) -> torch.Tensor:
    """Return two convolutions added to what came in."""
    y = F.conv2d(x, getattr(w, f"{name}conv1_kernel"), stride=stride, padding=1)
    y = F.conv2d(F.relu(_normed(w, f"{name}norm1", y)), getattr(w, f"{name}conv2_kernel"), padding=1)
    if hasattr(w, f"{name}short_kernel"):
        x = _normed(w, f"{name}norm", F.conv2d(x, getattr(w, f"{name}short_kernel"), stride=stride))
    return F.relu(x + _normed(w, f"{name}norm2", y))


def _normed(w: Any, name: str, x: torch.Tensor) -> torch.Tensor:
    """Return batch normalisation in evaluation mode."""
    mean, var, scale, bias = (getattr(w, f"{name}_{part}") for part in ("mean", "var", "scale", "bias"))
    return F.batch_norm(x, mean, var, scale, bias, eps=EPS)


def mlp(columns: dict[str, Any], w: Any, x: torch.Tensor) -> torch.Tensor:
    """Return the outputs of the built-in network `mlp` with two hidden layers; columns: as export.py says."""
    z = (x[:, columns["numeric"]] - w.parts_0_mean) / w.parts_0_scale
    within = ((z[:, columns["bins"]] - w.parts_0_left) / w.parts_0_span).clamp(0, 1)
    parts = [z, within]
    for number, (column, size) in enumerate(zip(columns["categorical"], columns["sizes"], strict=True)):
        code = x[:, column].detach().long()
        code = torch.where((code > 0) & (code < size), code, 0)
        parts.append(F.embedding(code, getattr(w, f"parts_1_tables_{number}").T))
    x = torch.cat(parts, 1)
    for kernel, bias in ((w.hidden_0_kernel, w.hidden_0_bias), (w.hidden_1_kernel, w.hidden_1_bias)):
        x = F.dropout(F.relu(F.linear(x, kernel, bias)), DROPOUT, training=w.training)
    return F.linear(x, w.last_kernel, w.last_bias)


NETWORKS = {"cnn": cnn, "classic_cnn": classic_cnn, "resnet": resnet}
