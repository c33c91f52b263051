"""Backbones: from views to the features for the heads. One U-Net adds context: in the image if there is no LiDAR
branch, else in the range view, after the fusion.

Shape letters: B frames, F features, R x C range-view cells, h x w quarter-size pixels.
"""

import torch
from torch import Tensor, nn

from lib.model.image_encoder import FINE_STRIDE, ImageFeatures
from lib.model.sampling import cells_in_image, sample_image
from lib.views.range_view import Views

PIXEL_STRIDE = 4


class ImageBackbone(nn.Module):
    """Image-only backbone; a cell gets the image features at its projection."""

    def __init__(self, image_encoder: nn.Module, surroundings: nn.Module) -> None:
        super().__init__()
        self.image_encoder = image_encoder
        self.surroundings = surroundings

    def forward(self, views: Views) -> tuple[Tensor, Tensor]:
        """Features of cells (B, F, R, C) and of quarter-size pixels (B, F', h, w)."""
        uv, seen = views.projection
        image: ImageFeatures = self.image_encoder(views)
        fine = self.surroundings(image.fine)
        cells = sample_image(fine, uv, seen, FINE_STRIDE)
        on_image = nn.functional.avg_pool2d(fine, PIXEL_STRIDE // FINE_STRIDE, ceil_mode=True)
        return cells, torch.cat([image.coarse, on_image.to(image.coarse.dtype)], dim=1)


class RangeViewBackbone(nn.Module):
    """Range-view backbone, with image features if there is an image encoder; a pixel gets the cells projected to it."""

    def __init__(
        self, image_encoder: nn.Module | None, lidar_encoder: nn.Module, fusion: nn.Module, surroundings: nn.Module
    ) -> None:
        super().__init__()
        self.image_encoder = image_encoder
        self.lidar_encoder = lidar_encoder
        self.fusion = fusion
        self.surroundings = surroundings

    def forward(self, views: Views) -> tuple[Tensor, Tensor]:
        """Features of cells (B, F, R, C) and of quarter-size pixels (B, F', h, w)."""
        uv, seen = views.projection
        image: ImageFeatures | None = None
        if self.image_encoder is not None:
            image = self.image_encoder(views)
        cells = self.surroundings(self.fusion(self.lidar_encoder(views), image, views))
        size = (views.image_B3HW.shape[2], views.image_B3HW.shape[3])
        on_image = cells_in_image(cells, uv, seen, size, PIXEL_STRIDE)
        return cells, on_image if image is None else torch.cat([image.coarse, on_image.to(image.coarse.dtype)], dim=1)

    def without_image(self, views: Views) -> Tensor:
        """Features of cells (B, F, R, C) without the camera; the image is not read."""
        return torch.as_tensor(self.surroundings(self.fusion(self.lidar_encoder(views), None, views)))
