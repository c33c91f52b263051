"""A small U-Net, which adds context to a feature map."""

import torch
from torch import Tensor, nn

from lib.model.blocks import ConvNorm, Residual, upsample_add


class UNet(nn.Module):
    """Features (B, channels, h, w) -> features (B, channels, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        c1, c2, c4, c8 = channels, 2 * channels, 3 * channels, 4 * channels
        self.down2 = nn.Sequential(ConvNorm(c1, c2, stride=2), Residual(c2))
        self.down4 = nn.Sequential(ConvNorm(c2, c4, stride=2), Residual(c4))
        self.down8 = nn.Sequential(ConvNorm(c4, c8, stride=2), Residual(c8))
        self.lateral4 = nn.Conv2d(c8, c4, 1)
        self.lateral2 = nn.Conv2d(c4, c2, 1)
        self.lateral1 = nn.Conv2d(c2, c1, 1)
        self.smooth2 = ConvNorm(c2, c2)
        self.smooth1 = Residual(c1)

    def forward(self, at1_BFhw: Tensor) -> Tensor:
        """Return features (B, channels, h, w)."""
        at2 = self.down2(at1_BFhw)
        at4 = self.down4(at2)
        at4 = upsample_add(self.lateral4(self.down8(at4)), at4)
        at2 = self.smooth2(upsample_add(self.lateral2(at4), at2))
        return torch.as_tensor(self.smooth1(upsample_add(self.lateral1(at2), at1_BFhw)))
