"""The fusion detector: camera image and range view in, an anomaly logit per cell and per pixel out.

`build_detector` assembles it from independent parts: encoders, a fusion, a backbone that adds context, heads. All
variants have the same encoders, heads and recipe; only the fusion decides which features a cell gets: image (those of
the image at its projection), lidar (those of the range view), concat or cross_attention (both).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lib.common.labels import NORMAL_IDS
from lib.common.ticks import SINGLE_FRAME
from lib.model.backbones import PIXEL_STRIDE, ImageBackbone, RangeViewBackbone
from lib.model.blocks import ConvNorm
from lib.model.fusion import ConcatFusion, CrossAttentionFusion
from lib.model.image_encoder import ImageEncoder
from lib.model.lidar_encoder import LidarEncoder
from lib.model.model_params import Encoding, Fusion
from lib.model.track_head import TrackHead
from lib.model.unet import UNet
from lib.views.range_view import RangeGrid, Views

INITIAL_LOGIT = -2.0
"""Initial bias of the heads: nearly everything is normal."""


@dataclass(frozen=True)
class DetectorConfig:
    """Everything needed to rebuild the detector."""

    fusion: Fusion
    image_channels: int
    lidar_channels: int
    fusion_channels: int
    range_view_rows: int
    range_view_columns: int
    upper_fov_deg: float
    lower_fov_deg: float
    positional_encoding: Encoding = "none"
    window: tuple[int, ...] = SINGLE_FRAME

    @property
    def fuses(self) -> bool:
        """Whether the detector uses both sensors, so that either may be missing."""
        return self.fusion not in ("image", "lidar")

    def grid(self, visible_columns: int | None = None) -> RangeGrid:
        """Return the range view's layout, with all columns or only the middle `visible_columns`."""
        return RangeGrid(
            self.range_view_rows,
            self.range_view_columns,
            visible_columns or self.range_view_columns,
            self.upper_fov_deg,
            self.lower_fov_deg,
        )


@dataclass(frozen=True, eq=False)
class Logits:
    """Logits, float32. Higher = more anomalous.

    cell_BRC per range-view cell; cell_class_BSRC one-versus-all logits of the normal classes (labels.NORMAL_IDS);
    pixel_Bhw and pixel_class_BShw at a quarter of the image size, rounded up: quarter-size pixel k covers the pixels
    [4 k, 4 k + 4), fewer at the border.
    lead_B: of the vehicle ahead, that it brakes fully, by its track (track_head.py); -inf where that is not known.
    """

    cell_BRC: Tensor
    cell_class_BSRC: Tensor
    pixel_Bhw: Tensor
    pixel_class_BShw: Tensor
    lead_B: Tensor


class Detector(nn.Module):
    """Views -> Logits: a backbone computes features of cells and pixels, and one head for each computes logits."""

    def __init__(
        self,
        config: DetectorConfig,
        backbone: ImageBackbone | RangeViewBackbone,
        cell_head: nn.Module,
        pixel_mix: nn.Module,
        pixel_head: nn.Module,
        track_head: TrackHead | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.backbone = backbone
        self.cell_head = cell_head
        self.pixel_mix = pixel_mix
        self.pixel_head = pixel_head
        self.track_head = track_head

    def forward(self, views: Views) -> Logits:
        """Compute the logits of every cell and pixel, and of the vehicle ahead."""
        return self.heads(*self.features(views), self.lead_logits(views))

    def lead_logits(self, views: Views) -> Tensor:
        """Logits.lead_B."""
        if self.track_head is None:
            return no_lead(views.range_m_BRC)
        motion = views.motion
        assert motion is not None, "a detector with a window needs views with motion"
        lead_BRC = motion.lead_BRC & views.has_lidar_B[:, None, None]
        range_m_B = torch.where(lead_BRC, views.range_m_BRC, torch.inf).amin((1, 2))
        return torch.where(lead_BRC.any(2).any(1), self.track_head(motion.places_m_BT, range_m_B), -torch.inf)

    def features(self, views: Views) -> tuple[Tensor, Tensor]:
        """Inputs of `heads`: features of cells (B, F, R, C) and of quarter-size pixels (B, F, h, w)."""
        cells, pixels = self.backbone(views)
        return cells, torch.as_tensor(self.pixel_mix(pixels))

    def features_without_image(self, views: Views) -> Tensor:
        """Features of cells (B, F, R, C) without the camera; the image is not read. Needs a LiDAR branch."""
        assert isinstance(self.backbone, RangeViewBackbone)
        return self.backbone.without_image(views)

    def heads(self, cells: Tensor, pixels: Tensor, lead_B: Tensor) -> Logits:
        """Compute the logits from features, and add those of the vehicle ahead."""
        return Logits(*self.cell_logits(cells), *_logits(self.pixel_head, pixels), lead_B)

    def cell_logits(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """cell_BRC and cell_class_BSRC of Logits from features of cells."""
        return _logits(self.cell_head, cells)

    def without_image(self, views: Views) -> tuple[Tensor, Tensor]:
        """cell_BRC and cell_class_BSRC of Logits without the camera."""
        return self.cell_logits(self.features_without_image(views))


def build_detector(config: DetectorConfig) -> Detector:
    """A detector with new weights, drawn from torch's generator."""
    ci, cl, cf = config.image_channels, config.lidar_channels, config.fusion_channels
    image_encoder = None if config.fusion == "lidar" else ImageEncoder(ci, cf, config.window)
    backbone: ImageBackbone | RangeViewBackbone
    if config.fusion == "image":
        assert image_encoder is not None
        backbone = ImageBackbone(image_encoder, UNet(cf))
    else:
        lidar_encoder = LidarEncoder(cl, config.window)
        attends = config.fusion == "cross_attention"
        fusion = CrossAttentionFusion(cl, ci, cf, config.positional_encoding) if attends else ConcatFusion(cl, cf)
        backbone = RangeViewBackbone(image_encoder, lidar_encoder, fusion, UNet(cf))
    outputs = 1 + len(NORMAL_IDS)
    cell_head = nn.Conv2d(cf, outputs, 1)
    pixel_mix = ConvNorm(cf if image_encoder is None else cf + 2 * ci, cf)
    pixel_head = nn.Conv2d(cf, outputs, 1)
    for head in (cell_head, pixel_head):
        assert head.bias is not None
        nn.init.constant_(head.bias, INITIAL_LOGIT)
    track_head = TrackHead() if len(config.window) > 1 and config.fusion != "image" else None
    return Detector(config, backbone, cell_head, pixel_mix, pixel_head, track_head)


def no_lead(like_BRC: Tensor) -> Tensor:
    """Logits.lead_B of B frames in which no vehicle ahead is known."""
    return torch.full_like(like_BRC[:, 0, 0], -torch.inf, dtype=torch.float32)


def quarter_size(map_BHW: Tensor) -> Tensor:
    """Downsample a map (B, H, W) to (B, h, w): the value at the middle of each quarter-size pixel."""
    half = PIXEL_STRIDE // 2
    rows, columns = (
        torch.arange(half, side + half, PIXEL_STRIDE, device=map_BHW.device).clamp(max=side - 1)
        for side in map_BHW.shape[1:]
    )
    return map_BHW[:, rows[:, None], columns]


def _logits(head: nn.Module, features_BFRC: Tensor) -> tuple[Tensor, Tensor]:
    logit, class_logits = head(features_BFRC).float().split([1, len(NORMAL_IDS)], dim=1)
    return logit[:, 0], class_logits
