"""Local cross-attention of range-view cells to the image around their projections.

Shape letters: B frames, F features, R x C range-view cells.
"""

from math import pi

import torch
from torch import Tensor, nn

from lib.model.image_encoder import COARSE_STRIDE
from lib.model.model_params import Encoding
from lib.model.sampling import sample_image
from lib.views.tensors import constant

WINDOW = 3
WAVELENGTHS_M = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
POSITION_SCALE_M = 40.0


class LocalCrossAttention(nn.Module):
    """Gated attention of each range-view cell to the 3 x 3 coarse image cells around its projection.

    The attention weights depend on the cell's features and, with a positional encoding, on its position: errors of
    calibration and timing shift projections by amounts that depend on range and direction.
    """

    def __init__(self, lidar_channels: int, image_channels: int, channels: int, encoding: Encoding) -> None:
        super().__init__()
        self.encoding = _encoding(encoding, lidar_channels)
        self.query = nn.Conv2d(lidar_channels, channels, 1)
        self.key = nn.Conv2d(2 * image_channels, channels, 1)
        self.value = nn.Conv2d(2 * image_channels, channels, 1)
        self.place = nn.Conv2d(lidar_channels, WINDOW**2, 1)
        self.gate = nn.Conv2d(lidar_channels + channels, channels, 1)

    def forward(self, lidar: Tensor, xyz_B3RC: Tensor, coarse: Tensor, uv: Tensor, seen: Tensor) -> Tensor:
        """Return image features (B, channels, R, C); xyz_B3RC [m]: points of the cells, camera axes."""
        query_input = lidar if self.encoding is None else lidar + self.encoding(xyz_B3RC).to(lidar.dtype)
        query, place = self.query(query_input).float(), self.place(query_input).float()
        keys, values = self.key(coarse), self.value(coarse)
        logits, sampled_values = [], []
        for number in range(WINDOW**2):
            step = constant((number % WINDOW - WINDOW // 2, number // WINDOW - WINDOW // 2), torch.float32, uv.device)
            shifted = uv + (step * COARSE_STRIDE)[:, None, None]
            logits.append((query * sample_image(keys, shifted, seen, COARSE_STRIDE)).sum(1) / query.shape[1] ** 0.5)
            sampled_values.append(sample_image(values, shifted, seen, COARSE_STRIDE))
        weight = torch.softmax(torch.stack(logits, 1) + place, dim=1)
        attended = (weight[:, :, None] * torch.stack(sampled_values, 1)).sum(1).to(lidar.dtype)
        gate = torch.sigmoid(self.gate(torch.cat([lidar, attended], dim=1)))
        return gate * attended


class SineEncoding(nn.Module):
    """Projected sines and cosines of x, y, z at fixed wavelengths: (B, 3, R, C) [m] -> (B, channels, R, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(6 * len(WAVELENGTHS_M), channels, 1)

    def forward(self, xyz_B3RC: Tensor) -> Tensor:
        """Encode."""
        turns = [xyz_B3RC * (2 * pi / wavelength_m) for wavelength_m in WAVELENGTHS_M]
        waves = torch.cat([wave(turn) for turn in turns for wave in (torch.sin, torch.cos)], 1)
        return torch.as_tensor(self.mix(waves))


class LearnedEncoding(nn.Module):
    """A small network of x, y, z: (B, 3, R, C) [m] -> (B, channels, R, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Conv2d(3, channels, 1), nn.ReLU(inplace=True), nn.Conv2d(channels, channels, 1))

    def forward(self, xyz_B3RC: Tensor) -> Tensor:
        """Encode."""
        return torch.as_tensor(self.network(xyz_B3RC / POSITION_SCALE_M))


def _encoding(kind: Encoding, channels: int) -> nn.Module | None:
    if kind == "none":
        return None
    return SineEncoding(channels) if kind == "sine" else LearnedEncoding(channels)
