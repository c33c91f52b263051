"""How a range-view cell meets the image: looking it up at its projection, adding it up.

Shape letters: B frames, F features, R x C range-view cells, h x w image feature map, N = B R C.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from lib.model.blocks import BatchNorm, upsample_add


def sample_image(features_BFhw: Tensor, uv_B2RC: Tensor, seen_BRC: Tensor, stride: int) -> Tensor:
    """Image features (B, F, R, C), bilinear at projections uv [px of the full image]; 0 where the camera sees nothing.

    Cell k of the map covers the pixels [k stride, (k + 1) stride).

    The same as torch's grid_sample with a border, but by rows of features, which costs a third on the CPU and gives
    the same gradient each time on CUDA.
    """
    B, F, h, w = features_BFhw.shape
    x = (uv_B2RC[:, 0].float() / stride - 0.5).clamp(0, w - 1)
    y = (uv_B2RC[:, 1].float() / stride - 0.5).clamp(0, h - 1)
    left, top = x.floor(), y.floor()
    right_share, lower_share = x - left, y - top
    frame = torch.arange(B, device=x.device)[:, None, None] * (h * w)
    first = frame + top.long() * w + left.long()
    to_right = (left < w - 1).long()
    below = (top < h - 1).long() * w
    corners = torch.stack([first, first + to_right, first + below, first + below + to_right], dim=-1)
    upper_share, left_share = 1 - lower_share, 1 - right_share
    shares = torch.stack(
        [upper_share * left_share, upper_share * right_share, lower_share * left_share, lower_share * right_share],
        dim=-1,
    )
    shares = shares * seen_BRC[..., None]
    rows = features_BFhw.permute(0, 2, 3, 1).reshape(B * h * w, F).float()
    sampled = embedding_bag(corners.view(-1, 4), rows, mode="sum", per_sample_weights=shares.view(-1, 4))
    return sampled.view(*seen_BRC.shape, F).permute(0, 3, 1, 2).to(features_BFhw.dtype)


def cells_in_image(
    features_BFRC: Tensor, uv_B2RC: Tensor, seen_BRC: Tensor, image_size: tuple[int, int], stride: int
) -> Tensor:
    """Mean features (B, F, H / stride, W / stride), sizes rounded up, of the range-view cells that fall into an image
    cell; 0 for none.
    """
    B, F = features_BFRC.shape[:2]
    h, w = (-(-side // stride) for side in image_size)
    column = (uv_B2RC[:, 0] / stride).floor().long().clamp(0, w - 1)
    row = (uv_B2RC[:, 1] / stride).floor().long().clamp(0, h - 1)
    frame = torch.arange(B, device=column.device)[:, None, None] * (h * w)
    place_N = torch.where(seen_BRC, frame + row * w + column, B * h * w).flatten()
    sorted_N, cell_N = place_N.sort(stable=True)
    starts = torch.searchsorted(sorted_N, torch.arange(B * h * w + 1, device=column.device))
    rows = features_BFRC.permute(0, 2, 3, 1).reshape(-1, F).float()
    # The last bag takes the cells that the camera does not see.
    means = embedding_bag(cell_N, rows, starts, mode="mean")[:-1]
    return means.view(B, h, w, F).permute(0, 3, 1, 2)


class ImageMap(nn.Module):
    """Fine and coarse image features as one map of the fine size."""

    def __init__(self, image_channels: int, channels: int) -> None:
        super().__init__()
        self.fine = nn.Conv2d(image_channels, channels, 1)
        self.coarse = nn.Conv2d(2 * image_channels, channels, 1, bias=False)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Return features (B, channels, h, w)."""
        return upsample_add(self.coarse(coarse), self.fine(fine))


class AdditiveFusion(nn.Module):
    """Concatenate a cell's own features with the image's at its projection, and mix them.

    A 1 x 1 convolution of a concatenation is the sum of 1 x 1 convolutions of its parts; that of the image is done
    before it is looked up (ImageMap).
    """

    def __init__(self, lidar_channels: int, channels: int) -> None:
        super().__init__()
        self.own = nn.Conv2d(lidar_channels, channels, 1, bias=False)
        self.norm = BatchNorm(channels)

    def forward(self, lidar_BFRC: Tensor, looked_up_BFRC: Tensor | None) -> Tensor:
        """Return fused features (B, channels, R, C); without an image those of the cells alone."""
        own = self.own(lidar_BFRC)
        return torch.relu(self.norm(own if looked_up_BFRC is None else own + looked_up_BFRC))
