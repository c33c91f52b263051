"""Camera image -> feature maps at strides 2 and 4 (a small feature pyramid)."""

from dataclasses import dataclass

from torch import Tensor, nn

from lib.model.blocks import ConvNorm, Residual, upsample_add

FINE_STRIDE, COARSE_STRIDE = 2, 4


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """fine (B, mixed_channels, H/2, W/2) and coarse (B, 2 channels, H/4, W/4), sizes rounded up."""

    fine: Tensor
    coarse: Tensor


class ImageEncoder(nn.Module):
    """Image (B, 3, H, W) in [0, 1] -> ImageFeatures.

    Sizes are rounded up: if a side is no multiple of the stride, its last cell is partly outside the image. The coarse
    map includes features from strides 8 and 16. The fine map is the sum of projections of local fine features and of
    the coarse map.
    """

    def __init__(self, channels: int, mixed_channels: int) -> None:
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

    def forward(self, image_B3HW: Tensor) -> ImageFeatures:
        """Encode."""
        fine = self.stem((image_B3HW - 0.45) / 0.25)
        at4 = self.down4(fine)
        at8 = self.down8(at4)
        at8 = upsample_add(self.lateral8(self.down16(at8)), at8)
        coarse = self.smooth4(upsample_add(self.lateral4(at8), at4))
        return ImageFeatures(upsample_add(self.mix_coarse(coarse), self.mix_fine(fine)), coarse)
