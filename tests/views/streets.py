"""A flat street as a FrameBatch: every ray that looks down meets the ground, every pixel too."""

import torch

from lib.common.labels import ROAD, SKY
from lib.views.frame_batch import FrameBatch
from lib.views.range_view import RangeGrid, cell_directions

GRID = RangeGrid(rows=32, columns=256, visible_columns=80, upper_fov_deg=15.0, lower_fov_deg=-25.0)
HEIGHT_PX, WIDTH_PX, HEIGHT_M = 64, 96, 1.8


def flat_street(frames: int = 4, seed: int = 0) -> FrameBatch:
    generator = torch.Generator().manual_seed(seed)
    whole = RangeGrid(GRID.rows, GRID.columns, GRID.columns, GRID.upper_fov_deg, GRID.lower_fov_deg)
    direction = cell_directions(whole, torch.device("cpu")).flatten(1).T
    down = direction[direction[:, 2] < -0.02]
    xyz = down * (HEIGHT_M / -down[:, 2:])
    points = torch.cat([xyz, torch.rand(len(xyz), 1, generator=generator)], dim=1)
    row = torch.arange(HEIGHT_PX) + 0.5
    below = (row - HEIGHT_PX / 2) / (WIDTH_PX / 2)
    depth = torch.where(below > 0.01, HEIGHT_M / below.clamp(min=0.01), 1000.0)
    depth_m = depth[:, None].expand(HEIGHT_PX, WIDTH_PX)
    pixel_class = torch.where(depth_m < 999, ROAD, SKY).to(torch.uint8)
    image = torch.randint(60, 120, (frames, HEIGHT_PX, WIDTH_PX, 3), generator=generator, dtype=torch.uint8)
    f = WIDTH_PX / 2
    return FrameBatch(
        image_BHW3=image,
        points_BP4=points.expand(frames, -1, -1).contiguous(),
        num_points_B=torch.full((frames,), len(points)),
        point_class_BP=torch.full((frames, len(points)), ROAD, dtype=torch.uint8),
        pixel_class_BHW=pixel_class.expand(frames, -1, -1).contiguous(),
        depth_m_BHW=depth_m.half().expand(frames, -1, -1).contiguous(),
        intrinsics_B4=torch.tensor([[f, f, WIDTH_PX / 2, HEIGHT_PX / 2]]).expand(frames, 4).contiguous(),
        camera_SE3_lidar_B44=torch.eye(4).expand(frames, 4, 4).contiguous(),
    )
