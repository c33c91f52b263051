"""The fusion detector: camera image and range view in, an anomaly logit per cell and per pixel out.

Every variant shares encoders, heads and recipe; `fusion` alone decides what a cell knows when it is judged:
image (what the camera shows at its projection), lidar (its surroundings in the range view), concat or
cross_attention (both).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lib.batches.views import RangeGrid, Views, project
from lib.labels import NORMAL_IDS
from lib.model.blocks import ConvNorm
from lib.model.fusion import ConcatFusion, LocalCrossAttention, sample_image, scatter_to_image
from lib.model.image_encoder import ImageEncoder
from lib.model.lidar_encoder import LidarEncoder, range_view_inputs
from lib.model.range_unet import RangeUNet

Fusion = Literal["image", "lidar", "concat", "cross_attention"]
PIXEL_STRIDE = 4


@dataclass(frozen=True)
class DetectorConfig:
    """All that is needed to build the detector again."""

    fusion: Fusion
    image_channels: int
    lidar_channels: int
    fusion_channels: int
    range_view_rows: int
    range_view_columns: int
    upper_fov_deg: float
    lower_fov_deg: float

    def grid(self, visible_columns: int | None = None) -> RangeGrid:
        """Return the range view's pattern, of the whole turn or of the middle `visible_columns`."""
        return RangeGrid(
            self.range_view_rows,
            self.range_view_columns,
            visible_columns or self.range_view_columns,
            self.upper_fov_deg,
            self.lower_fov_deg,
        )


@dataclass(frozen=True, eq=False)
class Detections:
    """Logits, float32. Higher = more anomalous.

    cell_BRC per range-view cell; cell_class_BSRC one-versus-all logits of the normal classes (labels.NORMAL_IDS);
    pixel_BHW at full image size; pixel_class_BShw at a quarter of it.
    """

    cell_BRC: Tensor
    cell_class_BSRC: Tensor
    pixel_BHW: Tensor
    pixel_class_BShw: Tensor


class Detector(nn.Module):
    """Views -> Detections."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        ci, cl, cf = config.image_channels, config.lidar_channels, config.fusion_channels
        self.uses_image, self.uses_lidar = config.fusion != "lidar", config.fusion != "image"
        self.image_encoder = ImageEncoder(ci) if self.uses_image else None
        self.lidar_encoder = LidarEncoder(cl) if self.uses_lidar else None
        self.fusion = _fusion(config)
        self.range_unet = RangeUNet(cf) if self.uses_lidar else nn.Identity()
        outputs = 1 + len(NORMAL_IDS)
        self.cell_head = nn.Conv2d(cf, outputs, 1)
        pixel_inputs = (2 * ci if self.uses_image else 0) + (cf + 1 if self.uses_lidar else 0)
        self.pixel_mix = ConvNorm(pixel_inputs, cf)
        self.pixel_head = nn.Conv2d(cf, outputs, 1)
        for head in (self.cell_head, self.pixel_head):
            assert head.bias is not None
            nn.init.constant_(head.bias, -2.0)

    def forward(self, views: Views) -> Detections:
        """Judge every cell and pixel."""
        return self.heads(*self.features(views), views)

    def heads(self, cells_BFRC: Tensor, pixels_BFhw: Tensor, views: Views) -> Detections:
        """Judge by features."""
        cell_out, pixel_out = self.cell_head(cells_BFRC).float(), self.pixel_head(pixels_BFhw).float()
        size = views.image_B3HW.shape[-2:]
        pixel = nn.functional.interpolate(pixel_out[:, :1], size=size, mode="bilinear", align_corners=False)
        return Detections(cell_out[:, 0], cell_out[:, 1:], pixel[:, 0], pixel_out[:, 1:])

    def features(self, views: Views) -> tuple[Tensor, Tensor]:
        """What the heads judge by: features of the cells (B, F, R, C), of the quarter-size pixels (B, F, h, w)."""
        H, W = views.image_B3HW.shape[-2:]
        uv, seen = project(views)
        fine = coarse = None
        if self.image_encoder is not None:
            image = views.image_B3HW.contiguous(memory_format=torch.channels_last)
            fine, coarse = self.image_encoder(image)
        lidar = None
        if self.lidar_encoder is not None:
            inputs = range_view_inputs(views).contiguous(memory_format=torch.channels_last)
            lidar = self.lidar_encoder(inputs)
        cells = self.range_unet(self._fused(lidar, fine, coarse, uv, seen, (H, W)))
        pixel_parts = [] if coarse is None else [coarse]
        if lidar is not None:
            pixel_parts.append(scatter_to_image(cells, uv, seen, (H, W), PIXEL_STRIDE))
        return cells, torch.as_tensor(self.pixel_mix(torch.cat(pixel_parts, dim=1)))

    def _fused(
        self,
        lidar: Tensor | None,
        fine: Tensor | None,
        coarse: Tensor | None,
        uv: Tensor,
        seen: Tensor,
        size: tuple[int, int],
    ) -> Tensor:
        if lidar is None:
            assert fine is not None and coarse is not None
            sampled = [sample_image(features, uv, seen, size) for features in (fine, coarse)]
            return torch.as_tensor(self.fusion(torch.cat([*sampled, seen[:, None].float()], dim=1)))
        if fine is None or coarse is None:
            return torch.as_tensor(self.fusion(lidar))
        return torch.as_tensor(self.fusion(lidar, fine, coarse, uv, seen, size))


def _fusion(config: DetectorConfig) -> nn.Module:
    ci, cl, cf = config.image_channels, config.lidar_channels, config.fusion_channels
    if config.fusion == "image":
        # Neither U-Net nor wider kernels: neighbours in the range view would tell the shape of the cloud.
        layers = [nn.Conv2d(3 * ci + 1, cf, 1), nn.BatchNorm2d(cf), nn.ReLU(), nn.Conv2d(cf, cf, 1), nn.ReLU()]
        return nn.Sequential(*layers)
    if config.fusion == "lidar":
        return ConvNorm(cl, cf, kernel=1)
    return (ConcatFusion if config.fusion == "concat" else LocalCrossAttention)(cl, ci, cf)
