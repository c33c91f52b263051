"""Muon (Jordan et al. 2024): gradient steps as strong in every direction of a weight matrix.

torch.optim.Muon takes matrices only, one after the other. Here a convolution's kernel is a matrix (out, in x height x
width), and matrices with as many rows are orthogonalized together, through their small Gram matrices: on two cores
twice as fast.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 5
ADAM_LIKE_STEP = 0.2  # root mean square of an AdamW step, so that one learning rate serves both


class Muon(torch.optim.Optimizer):
    """Nesterov momentum whose every step is replaced by the nearest orthogonal matrix; decoupled weight decay."""

    def __init__(
        self, kernels: Iterable[torch.nn.Parameter], lr: float, weight_decay: float, momentum: float = 0.95
    ) -> None:
        super().__init__(kernels, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move the kernels (two dimensions or more) that have a gradient."""
        assert closure is None, "Muon evaluates nothing itself"
        for group in self.param_groups:
            kernels = [kernel for kernel in group["params"] if kernel.grad is not None]
            steps = orthogonalized([self._momentum_step(kernel, group["momentum"]) for kernel in kernels])
            for kernel, step in zip(kernels, steps, strict=True):
                strength = ADAM_LIKE_STEP * max(step.shape) ** 0.5
                kernel.mul_(1 - group["lr"] * group["weight_decay"])
                kernel.add_(step.view(kernel.shape), alpha=-group["lr"] * strength)

    def _momentum_step(self, kernel: Tensor, momentum: float) -> Tensor:
        state: dict[str, Any] = self.state[kernel]
        gradient = kernel.grad
        assert gradient is not None
        if not state:
            state["momentum"] = torch.zeros_like(kernel)
        average: Tensor = state["momentum"]
        average.mul_(momentum).add_(gradient)
        return gradient.add(average, alpha=momentum).flatten(1)


def orthogonalized(matrices: Sequence[Tensor]) -> list[Tensor]:
    """Matrices (m, n) float32 with the singular vectors of the given ones and all singular values near 1 (0.7 to 1.2).

    Newton-Schulz iterations on the Gram matrices: X <- (a + b X X' + c (X X')^2) X as in Jordan et al.
    """
    by_rows: dict[int, list[int]] = {}
    for number, matrix in enumerate(matrices):
        by_rows.setdefault(_rows(matrix), []).append(number)
    result = list(matrices)
    a, b, c = NEWTON_SCHULZ
    for rows, numbers in by_rows.items():
        wide = [matrices[i] if matrices[i].shape[0] == rows else matrices[i].mT for i in numbers]
        wide = [matrix / matrix.norm().clamp(min=1e-12) for matrix in wide]
        gram = torch.stack([matrix @ matrix.mT for matrix in wide])
        factor = a * torch.eye(rows, device=gram.device) + torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        for _ in range(NEWTON_SCHULZ_STEPS - 1):
            current = factor @ gram @ factor
            factor = a * factor + torch.baddbmm(current, current, current, beta=b, alpha=c) @ factor
        for number, matrix, left in zip(numbers, wide, factor, strict=True):
            step = left @ matrix
            result[number] = (step if matrices[number].shape[0] == rows else step.mT).contiguous()
    return result


def _rows(kernel: Tensor) -> int:
    return min(kernel.shape[0], kernel[0].numel())
