"""How a range-view cell meets the image: sampling at its projection, concatenation, local cross-attention.

Shape letters: B frames, F features, R x C range-view cells, h x w image feature map, K image cells around a projection.
"""

import torch
from torch import Tensor, nn

from lib.batches.constants import constant
from lib.model.blocks import ConvNorm


def sample_image(features_BFhw: Tensor, uv_B2RC: Tensor, seen_BRC: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Image features (B, F, R, C) at projections uv [px of the full image]; 0 where the camera sees nothing."""
    H, W = image_size
    scale = constant((2.0 / W, 2.0 / H), torch.float32, uv_B2RC.device)
    grid = (uv_B2RC.permute(0, 2, 3, 1).float() * scale - 1).clamp(-1, 1)
    sampled = nn.functional.grid_sample(
        features_BFhw.float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return (sampled * seen_BRC[:, None]).to(features_BFhw.dtype)


def scatter_to_image(
    features_BFRC: Tensor, uv_B2RC: Tensor, seen_BRC: Tensor, image_size: tuple[int, int], stride: int
) -> Tensor:
    """Mean of the cells' features per image cell (B, F + 1, H / stride, W / stride); last map: 1 where any fell."""
    B, F = features_BFRC.shape[:2]
    h, w = image_size[0] // stride, image_size[1] // stride
    column = (uv_B2RC[:, 0] / stride).floor().long().clamp(0, w - 1)
    row = (uv_B2RC[:, 1] / stride).floor().long().clamp(0, h - 1)
    slot = torch.where(seen_BRC, row * w + column, h * w).flatten(1)
    sums = features_BFRC.new_zeros(B, F, h * w + 1, dtype=torch.float32)
    sums = sums.scatter_add(2, slot[:, None].expand(-1, F, -1), features_BFRC.flatten(2).float())
    counts = sums.new_zeros(B, h * w + 1).scatter_add(1, slot, torch.ones_like(slot, dtype=torch.float32))
    mean = sums[..., :-1] / counts[:, None, :-1].clamp(min=1)
    return torch.cat([mean, (counts[:, None, :-1] > 0).float()], dim=1).view(B, F + 1, h, w)


class ConcatFusion(nn.Module):
    """Concatenate the cell's own features with the image features at its projection."""

    def __init__(self, lidar_channels: int, image_channels: int, channels: int) -> None:
        super().__init__()
        self.mix = ConvNorm(lidar_channels + 3 * image_channels + 1, channels, kernel=1)

    def forward(
        self, lidar_BFRC: Tensor, fine: Tensor, coarse: Tensor, uv: Tensor, seen: Tensor, size: tuple[int, int]
    ) -> Tensor:
        """Return fused features (B, channels, R, C)."""
        sampled = [sample_image(features, uv, seen, size) for features in (fine, coarse)]
        return torch.as_tensor(self.mix(torch.cat([lidar_BFRC, *sampled, seen[:, None].to(lidar_BFRC.dtype)], dim=1)))


class LocalCrossAttention(nn.Module):
    """Let each cell ask the 3 x 3 coarse image cells around its projection; the answer is gated and concatenated."""

    def __init__(self, lidar_channels: int, image_channels: int, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(lidar_channels, channels, 1)
        self.key = nn.Conv2d(2 * image_channels, channels, 1)
        self.value = nn.Conv2d(2 * image_channels, 2 * image_channels, 1)
        self.position = nn.Parameter(torch.zeros(9))
        self.gate = nn.Conv2d(lidar_channels + 2 * image_channels, 2 * image_channels, 1)
        self.mix = ConvNorm(lidar_channels + 3 * image_channels + 1, channels, kernel=1)

    def forward(
        self, lidar_BFRC: Tensor, fine: Tensor, coarse: Tensor, uv: Tensor, seen: Tensor, size: tuple[int, int]
    ) -> Tensor:
        """Return fused features (B, channels, R, C)."""
        query = self.query(lidar_BFRC).float()
        keys, values = self.key(coarse), self.value(coarse)
        stride = size[0] / coarse.shape[2]
        logits, answers = [], []
        for number in range(9):
            offset = constant((number % 3 - 1, number // 3 - 1), torch.float32, uv.device) * stride
            shifted = uv + offset[:, None, None]
            logits.append((query * sample_image(keys, shifted, seen, size)).sum(1) / query.shape[1] ** 0.5)
            answers.append(sample_image(values, shifted, seen, size))
        weight = torch.softmax(torch.stack(logits, 1) + self.position[:, None, None], dim=1)
        attended = (weight[:, :, None] * torch.stack(answers, 1)).sum(1)
        own = sample_image(coarse, uv, seen, size)
        gate = torch.sigmoid(self.gate(torch.cat([lidar_BFRC, attended.to(lidar_BFRC.dtype)], dim=1)))
        looked_up = own + gate * attended
        sampled_fine = sample_image(fine, uv, seen, size)
        known = seen[:, None].to(lidar_BFRC.dtype)
        return torch.as_tensor(self.mix(torch.cat([lidar_BFRC, looked_up, sampled_fine, known], dim=1)))
