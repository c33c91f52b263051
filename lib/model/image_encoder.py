"""Camera image -> feature maps at strides 2 and 4 (a small feature pyramid)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lib.common.ticks import SINGLE_FRAME
from lib.model.blocks import ConvNorm, Residual, upsample_add
from lib.views.past_views import half_size
from lib.views.range_view import Views

FINE_STRIDE, COARSE_STRIDE = 2, 4


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """fine (B, mixed_channels, H/2, W/2) and coarse (B, 2 channels, H/4, W/4), sizes rounded up."""

    fine: Tensor
    coarse: Tensor


class ImageEncoder(nn.Module):
    """Views, of which the image (B, 3, H, W) in [0, 1] is used -> ImageFeatures.

    Sizes are rounded up: if a side is no multiple of the stride, its last cell is partly outside the image. The coarse
    map includes features from strides 8 and 16. The fine map is the sum of projections of local fine features and of
    the coarse map. With a window of several lags, what has changed since the earlier images is added to the coarse map.
    """

    def __init__(self, channels: int, mixed_channels: int, window: tuple[int, ...] = SINGLE_FRAME) -> None:
        super().__init__()
        c2, c4, c8, c16 = channels, 2 * channels, 3 * channels, 4 * channels
        self.stem = nn.Sequential(ConvNorm(3, c2, stride=2), Residual(c2))
        self.down4 = nn.Sequential(ConvNorm(c2, c4, stride=2), Residual(c4))
        self.down8 = nn.Sequential(ConvNorm(c4, c8, stride=2), Residual(c8))
        self.down16 = nn.Sequential(ConvNorm(c8, c16, stride=2), Residual(c16))
        self.lateral8 = nn.Conv2d(c16, c8, 1)
        self.lateral4 = nn.Conv2d(c8, c4, 1)
        self.smooth4 = ConvNorm(c4, c4)
        self.mix_fine = nn.Conv2d(c2, mixed_channels, 1)
        self.mix_coarse = nn.Conv2d(c4, mixed_channels, 1, bias=False)
        lags = len(window) - 1
        self.changes = nn.Sequential(ConvNorm(3 * lags, c4, stride=2), Residual(c4)) if lags else None

    def forward(self, views: Views) -> ImageFeatures:
        """Encode."""
        image_B3HW = views.image_B3HW.contiguous(memory_format=torch.channels_last)
        fine = self.stem((image_B3HW - 0.45) / 0.25)
        at4 = self.down4(fine)
        at8 = self.down8(at4)
        at8 = upsample_add(self.lateral8(self.down16(at8)), at8)
        coarse = self.smooth4(upsample_add(self.lateral4(at8), at4))
        if self.changes is not None:
            coarse = upsample_add(self.changes(_changes(views)), coarse)
        return ImageFeatures(upsample_add(self.mix_coarse(coarse), self.mix_fine(fine)), coarse)


def _changes(views: Views) -> Tensor:
    """The earlier images less the present one (B, 3 L, h, w), of half the size; 0 where one is missing."""
    motion = views.motion
    assert motion is not None, "a detector with a window needs views with motion"
    lags = motion.exists_BL.shape[1]
    present = half_size(views.image_B3HW).repeat(1, lags, 1, 1)
    exists = motion.exists_BL.repeat_interleave(3, dim=1)[..., None, None]
    return torch.where(exists, (motion.images_BLhw - present) / 0.25, 0.0).contiguous(memory_format=torch.channels_last)
