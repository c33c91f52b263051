"""Range view of the cloud -> one feature vector per cell (a small U-Net)."""

import torch
from torch import Tensor, nn

from lib.batches.views import Views
from lib.model.blocks import ConvNorm, Residual, upsample_add

INPUTS = 6
RANGE_SCALE_M = 40.0


def range_view_inputs(views: Views) -> Tensor:
    """Cells as network inputs (B, 6, R, C): log range, x, y, z [scaled], intensity, whether anything came back."""
    returned = views.has_return_BRC.float()
    log_range = torch.log1p(views.range_m_BRC) / 4.6
    x, y, z = (views.xyz_B3RC / RANGE_SCALE_M).unbind(1)
    return torch.stack([log_range, x, y, z * 10, views.intensity_BRC, returned], dim=1) * returned[:, None]


class LidarEncoder(nn.Module):
    """Range view (B, 6, R, C) -> features (B, channels, R, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        c1, c2, c4, c8 = channels, 2 * channels, 3 * channels, 4 * channels
        self.stem = nn.Sequential(ConvNorm(INPUTS, c1), Residual(c1))
        self.down2 = nn.Sequential(ConvNorm(c1, c2, stride=2), Residual(c2))
        self.down4 = nn.Sequential(ConvNorm(c2, c4, stride=2), Residual(c4))
        self.down8 = nn.Sequential(ConvNorm(c4, c8, stride=2), Residual(c8))
        self.lateral4 = nn.Conv2d(c8, c4, 1)
        self.lateral2 = nn.Conv2d(c4, c2, 1)
        self.lateral1 = nn.Conv2d(c2, c1, 1)
        self.smooth2 = ConvNorm(c2, c2)
        self.smooth1 = Residual(c1)

    def forward(self, inputs_B6RC: Tensor) -> Tensor:
        """Return features (B, channels, R, C)."""
        at1 = self.stem(inputs_B6RC)
        at2 = self.down2(at1)
        at4 = self.down4(at2)
        at4 = upsample_add(self.lateral4(self.down8(at4)), at4)
        at2 = self.smooth2(upsample_add(self.lateral2(at4), at2))
        return torch.as_tensor(self.smooth1(upsample_add(self.lateral1(at2), at1)))
