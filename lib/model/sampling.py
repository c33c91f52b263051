"""Between range view and image: looking up the image where cells project to, and gathering the cells on a pixel.

Shape letters: B frames, F features, R x C range-view cells, h x w image feature map, N = B R C.
"""

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag


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
