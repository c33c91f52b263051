"""Fusion of the features of range-view cells with those of the image.

A fusion is a module called with the LiDAR's features (B, F, R, C), the image's (ImageFeatures, None without a camera)
and the views; it returns fused features (B, channels, R, C).
"""

import torch
from torch import Tensor, nn

from lib.model.attention import LocalCrossAttention
from lib.model.blocks import BatchNorm
from lib.model.image_encoder import FINE_STRIDE, ImageFeatures
from lib.model.model_params import Encoding
from lib.model.sampling import sample_image
from lib.views.range_view import Views


class ConcatFusion(nn.Module):
    """Concatenate a cell's features with the image features at its projection, followed by a 1 x 1 convolution.

    A 1 x 1 convolution of a concatenation is the sum of 1 x 1 convolutions of its parts; that of the image is computed
    by ImageEncoder before sampling. Without an image, only the cell's own features are used.
    """

    def __init__(self, lidar_channels: int, channels: int) -> None:
        super().__init__()
        self.own = nn.Conv2d(lidar_channels, channels, 1, bias=False)
        self.norm = BatchNorm(channels)

    def forward(self, lidar_BFRC: Tensor, image: ImageFeatures | None, views: Views) -> Tensor:
        """Return fused features (B, channels, R, C)."""
        image_contribution = None if image is None else self.image_contribution(lidar_BFRC, image, views)
        own = self.own(lidar_BFRC)
        return torch.relu(self.norm(own if image_contribution is None else own + image_contribution))

    def image_contribution(self, lidar_BFRC: Tensor, image: ImageFeatures, views: Views) -> Tensor:
        """What the image adds to each cell (B, channels, R, C)."""
        uv, seen = views.projection
        return sample_image(image.fine, uv, seen & views.has_image_B[:, None, None], FINE_STRIDE)


class CrossAttentionFusion(ConcatFusion):
    """ConcatFusion plus attention of each cell to the image around its projection (LocalCrossAttention)."""

    def __init__(self, lidar_channels: int, image_channels: int, channels: int, encoding: Encoding) -> None:
        super().__init__(lidar_channels, channels)
        self.attention = LocalCrossAttention(lidar_channels, image_channels, channels, encoding)

    def image_contribution(self, lidar_BFRC: Tensor, image: ImageFeatures, views: Views) -> Tensor:
        """What the image adds to each cell (B, channels, R, C)."""
        uv, seen = views.projection
        place_B3RC = views.xyz_B3RC * views.has_lidar_B[:, None, None, None]
        seen = seen & views.has_image_B[:, None, None]
        attended: Tensor = self.attention(lidar_BFRC, place_B3RC, image.coarse, uv, seen)
        return super().image_contribution(lidar_BFRC, image, views) + attended
