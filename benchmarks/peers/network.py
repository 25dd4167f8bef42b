# pyright: reportMissingImports=false
"""In PyTorch: the built-in network `cnn` with weights trained in JAX, counting the rows it is asked about."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F


class CNN(torch.nn.Module):
    """Conv-pool-Conv-pool-Dense-Dense on images[n, c, h, w]; `forward_rows`, `backward_rows` count passes."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        for name, array in weights.items():
            layout = (3, 2, 0, 1) if array.ndim == 4 else (1, 0) if array.ndim == 2 else (0,)
            tensor = torch.from_numpy(np.ascontiguousarray(array.transpose(layout)))
            self.register_parameter(name.replace("/", "_"), torch.nn.Parameter(tensor, requires_grad=False))
        self.forward_rows = self.backward_rows = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.forward_rows += len(x)
        outputs = self._outputs(x)
        if outputs.requires_grad:
            outputs.register_hook(self._count)
        return outputs

    def _outputs(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(F.conv2d(x, self.conv1_kernel, self.conv1_bias, padding=1)), 2)
        x = F.max_pool2d(F.relu(F.conv2d(x, self.conv2_kernel, self.conv2_bias, padding=1)), 2)
        x = x.permute(0, 2, 3, 1).flatten(1)  # the order in which the JAX network flattens
        x = F.relu(F.linear(x, self.dense1_kernel, self.dense1_bias))
        return F.linear(x, self.dense2_kernel, self.dense2_bias)

    def _count(self, gradient: torch.Tensor) -> None:
        self.backward_rows += len(gradient)
