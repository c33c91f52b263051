"""The fusion detector: camera image and range view in, an anomaly logit per cell and per pixel out.

Every variant shares encoders, heads and recipe; `fusion` alone decides what a cell knows when it is judged:
image (what the camera shows at its projection), lidar (its surroundings in the range view), concat or
cross_attention (both). One U-Net looks at the surroundings: in the image where that is all there is, else in the
range view, after the sensors have met.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lib.common.labels import NORMAL_IDS
from lib.model.attention import LocalCrossAttention
from lib.model.blocks import ConvNorm
from lib.model.fusion import AdditiveFusion, ImageMap, cells_in_image, sample_image
from lib.model.image_encoder import FINE_STRIDE, ImageEncoder
from lib.model.lidar_encoder import LidarEncoder, range_view_inputs
from lib.model.model_params import Encoding, Fusion
from lib.model.unet import UNet
from lib.views.range_view import RangeGrid, Views, project

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
    positional_encoding: Encoding = "none"

    @property
    def fuses(self) -> bool:
        """Whether both sensors are looked at, so that either may be lost."""
        return self.fusion not in ("image", "lidar")

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
    pixel_Bhw and pixel_class_BShw at a quarter of the image size, rounded up: quarter-size pixel k covers the pixels
    [4 k, 4 k + 4), as far as there are any.
    """

    cell_BRC: Tensor
    cell_class_BSRC: Tensor
    pixel_Bhw: Tensor
    pixel_class_BShw: Tensor


class Detector(nn.Module):
    """Views -> Detections."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        ci, cl, cf = config.image_channels, config.lidar_channels, config.fusion_channels
        uses_image, self.uses_lidar = config.fusion != "lidar", config.fusion != "image"
        self.image_encoder = ImageEncoder(ci) if uses_image else None
        self.image_map = ImageMap(ci, cf) if uses_image else None
        self.lidar_encoder = LidarEncoder(cl) if self.uses_lidar else None
        self.fusion = AdditiveFusion(cl, cf) if self.uses_lidar else None
        attends = config.fusion == "cross_attention"
        self.attention = LocalCrossAttention(cl, ci, cf, config.positional_encoding) if attends else None
        self.unet = UNet(cf)
        outputs = 1 + len(NORMAL_IDS)
        self.cell_head = nn.Conv2d(cf, outputs, 1)
        self.pixel_mix = ConvNorm(cf + 2 * ci if uses_image else cf, cf)
        self.pixel_head = nn.Conv2d(cf, outputs, 1)
        for head in (self.cell_head, self.pixel_head):
            assert head.bias is not None
            nn.init.constant_(head.bias, -2.0)

    def forward(self, views: Views) -> Detections:
        """Judge every cell and pixel."""
        return self.heads(*self.features(views))

    def features(self, views: Views) -> tuple[Tensor, Tensor]:
        """Features that the heads judge: of cells (B, F, R, C) and of quarter-size pixels (B, F, h, w)."""
        uv, seen = project(views)
        coarse = image_map = None
        if self.image_encoder is not None and self.image_map is not None:
            fine, coarse = self.image_encoder(views.image_B3HW.contiguous(memory_format=torch.channels_last))
            image_map = self.image_map(fine, coarse)
        if self.uses_lidar:
            cells = self.unet(self._fused(views, image_map, coarse, uv, seen))
            size = (views.image_B3HW.shape[2], views.image_B3HW.shape[3])
            on_image = cells_in_image(cells, uv, seen, size, PIXEL_STRIDE)
        else:
            assert image_map is not None
            surroundings = self.unet(image_map)
            cells = sample_image(surroundings, uv, seen, FINE_STRIDE)
            on_image = nn.functional.avg_pool2d(surroundings, PIXEL_STRIDE // FINE_STRIDE, ceil_mode=True)
        pixels = on_image if coarse is None else torch.cat([coarse, on_image.to(coarse.dtype)], dim=1)
        return cells, torch.as_tensor(self.pixel_mix(pixels))

    def blind_features(self, views: Views) -> Tensor:
        """Features of cells (B, F, R, C) as if no camera worked; the image is not looked at. Needs the LiDAR."""
        return torch.as_tensor(self.unet(self._fused(views, None, None, *project(views))))

    def heads(self, cells: Tensor, pixels: Tensor) -> Detections:
        """Judge features."""
        return Detections(*self.cell_logits(cells), *_logits(self.pixel_head, pixels))

    def cell_logits(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Detections' cell_BRC and cell_class_BSRC of features of cells."""
        return _logits(self.cell_head, cells)

    def without_image(self, views: Views) -> tuple[Tensor, Tensor]:
        """Detections' cell_BRC and cell_class_BSRC as if no camera worked."""
        return self.cell_logits(self.blind_features(views))

    def _fused(self, views: Views, image_map: Tensor | None, coarse: Tensor | None, uv: Tensor, seen: Tensor) -> Tensor:
        assert self.lidar_encoder is not None
        assert self.fusion is not None
        lidar = self.lidar_encoder(range_view_inputs(views).contiguous(memory_format=torch.channels_last))
        seen = seen & views.image_works_B[:, None, None]
        looked_up = None if image_map is None else sample_image(image_map, uv, seen, FINE_STRIDE)
        if self.attention is not None and looked_up is not None and coarse is not None:
            place_B3RC = views.xyz_B3RC * views.lidar_works_B[:, None, None, None]
            looked_up = looked_up + self.attention(lidar, place_B3RC, coarse, uv, seen)
        return torch.as_tensor(self.fusion(lidar, looked_up))


def quarter_size(map_BHW: Tensor) -> Tensor:
    """What the middles of quarter-size pixels show (B, h, w), or where the image ends before, its last pixels."""
    half = PIXEL_STRIDE // 2
    rows, columns = (
        torch.arange(half, side + half, PIXEL_STRIDE, device=map_BHW.device).clamp(max=side - 1)
        for side in map_BHW.shape[1:]
    )
    return map_BHW[:, rows[:, None], columns]


def _logits(head: nn.Module, features_BFRC: Tensor) -> tuple[Tensor, Tensor]:
    logit, class_logits = head(features_BFRC).float().split([1, len(NORMAL_IDS)], dim=1)
    return logit[:, 0], class_logits
