"""One score per frame from its highest logits of range-view cells and pixels.

Only cells in the camera's view are used.
Shape letters as in range_view.py; h, w: quarter-size pixels; K: seeds.
"""

import torch
from torch import Tensor

from lib.inference.predict_params import PredictParams
from lib.model.detector import Logits
from lib.views.range_view import Views

SEEDS = 32


def frame_scores(logits: Logits, views: Views, params: PredictParams) -> Tensor:
    """Score (B,) of each frame by predict.frame_score, a mean of the highest logits, and by the vehicle ahead.

    The odds of both are added: log(exp(score) + exp(that of the vehicle ahead + `vehicle_ahead_shift`)).

    top_points: mean of the `frame_top_points` highest cells; points_or_pixels: maximum of that and of the mean of the
    `frame_top_pixels` highest pixels; pooled: top_points after averaging each cell with its neighbours within
    `frame_radius_m`; cluster: the highest mean of cells within `frame_radius_m` of one cell.
    """
    return torch.logaddexp(_frame_scores(logits, views, params), logits.lead_B + params.vehicle_ahead_shift)


def _frame_scores(logits: Logits, views: Views, params: PredictParams) -> Tensor:
    seen = views.seen_BRC
    cell_BRC, top_points = logits.cell_BRC, params.frame_top_points
    if params.frame_score == "pooled":
        cell_BRC = pooled(cell_BRC, views.xyz_B3RC, seen, params.frame_radius_m)
    cell_BRC = torch.where(seen, cell_BRC, cell_BRC.amin((1, 2), keepdim=True))
    if params.frame_score == "cluster":
        return _densest_cluster(cell_BRC, views.xyz_B3RC, seen, params)
    points_B = _mean_of_highest(cell_BRC, top_points)
    if params.frame_score != "points_or_pixels":
        return points_B
    pixels_B = _mean_of_highest(logits.pixel_Bhw, params.frame_top_pixels)
    return torch.maximum(points_B, pixels_B)


def pooled(cell_BRC: Tensor, xyz_B3RC: Tensor, seen_BRC: Tensor, radius_m: float) -> Tensor:
    """Mean (B, R, C) of each cell in view and its 3 x 3 neighbours that are in view and within the radius."""
    R, C = cell_BRC.shape[-2:]
    around = torch.nn.functional.pad(torch.cat([xyz_B3RC, cell_BRC[:, None], seen_BRC[:, None].float()], 1), (1,) * 4)
    total, count = torch.zeros_like(cell_BRC), torch.zeros_like(cell_BRC)
    for row in range(3):
        for column in range(3):
            shifted = around[:, :, row : row + R, column : column + C]
            near = (shifted[:, :3] - xyz_B3RC).square().sum(1) <= radius_m**2
            weight = near * shifted[:, 4]
            total += weight * shifted[:, 3]
            count += weight
    return torch.where(seen_BRC, total / count.clamp(min=1), cell_BRC)


def _mean_of_highest(logits: Tensor, number: int) -> Tensor:
    flat = logits.flatten(1)
    return flat.topk(min(number, flat.shape[1]), dim=1).values.mean(1)


def _densest_cluster(cell_BRC: Tensor, xyz_B3RC: Tensor, seen_BRC: Tensor, params: PredictParams) -> Tensor:
    """Highest mean (B,), over the SEEDS highest cells, of the `frame_top_points` highest cells within `frame_radius_m`.

    If there are fewer cells within the radius, the frame's lowest logit is used for the missing ones.
    """
    flat, xyz_BN3 = cell_BRC.flatten(1), xyz_B3RC.flatten(2).transpose(1, 2)
    seed_BK = flat.topk(min(SEEDS, flat.shape[1]), dim=1).indices
    seed_BK3 = xyz_BN3.gather(1, seed_BK[..., None].expand(-1, -1, 3))
    near_BKN = torch.cdist(seed_BK3, xyz_BN3, compute_mode="donot_use_mm_for_euclid_dist") <= params.frame_radius_m
    near_BKN &= seen_BRC.flatten(1)[:, None]
    logit_BKN = torch.where(near_BKN, flat[:, None], flat.amin(1)[:, None, None])
    top = logit_BKN.topk(min(params.frame_top_points, flat.shape[1]), dim=2).values
    return top.mean(2).amax(1)
