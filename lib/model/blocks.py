"""Convolution blocks of both encoders."""

import torch
from torch import Tensor, nn


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that in training normalizes a single value per channel, which has no variance, by running statistics.

    The deepest maps of a single tiny image have one value per channel.
    """

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Normalize."""
        if x_BCHW.numel() > x_BCHW.shape[1]:
            return super().forward(x_BCHW)
        mean, var = self.running_mean, self.running_var
        return nn.functional.batch_norm(x_BCHW, mean, var, self.weight, self.bias, eps=self.eps)


class ConvNorm(nn.Sequential):
    """Convolution of an odd kernel size, batch norm, ReLU."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1, kernel: int = 3) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
            BatchNorm(channels_out),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two 3 x 3 convolutions around a skip: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), BatchNorm(channels))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return relu(x + f(x))."""
        return torch.relu(x_BCHW + self.second(self.first(x_BCHW)))


def upsample_add(coarse_BCHW: Tensor, fine_BCHW: Tensor) -> Tensor:
    """Add coarse features, upsampled by nearest neighbour, to fine features with the same channels."""
    size = fine_BCHW.shape[-2:]
    return nn.functional.interpolate(coarse_BCHW, size=size, mode="nearest") + fine_BCHW
