"""Frames into which objects are pasted one by one, consistently in both sensors.

Shape letters as in range_view.py; P = H W; K = R C; L: layers.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lib.common.labels import UNKNOWN
from lib.synthesis.appearance import far_color, haze_density, image_noise
from lib.synthesis.targets import Targets
from lib.views.range_view import RangeGrid, Views, cell_directions

RANGE_NOISE_M = 0.1  # AnoVox's noise_stddev
INTENSITY_DECAY = 0.004  # CARLA's atmosphere, per metre


@dataclass(frozen=True, eq=False)
class Scene:
    """A batch of frames that is modified in place, slot by slot. All layers are float32.

    pixels_BLP: red, green, blue, class, depth [m], mark as in Targets, number of the last slot that changed the pixel.
    cells_BLK: direction x, y, z, flat index of the pixel it projects to (-1: not in view), range [m], intensity, class,
    mark, number of the slot that made the cell anomalous.
    Common to all slots: origin_B3: the camera's position in the LiDAR's frame; far_color_B31; haze_density_B1 [1/m];
    noise_std_B1; brightness_B1: mean of the whole image.
    """

    views: Views
    grid: RangeGrid
    pixels_BLP: Tensor
    cells_BLK: Tensor
    origin_B3: Tensor
    far_color_B31: Tensor
    haze_density_B1: Tensor
    noise_std_B1: Tensor
    brightness_B1: Tensor


def open_scene(views: Views, grid: RangeGrid, uv_B2RC: Tensor, seen_BRC: Tensor) -> Scene:
    """Create the scene of unmodified frames; uv_B2RC and seen_BRC as in Views.projection."""
    W = views.image_B3HW.shape[-1]
    pixels_BLHW = views.image_B3HW.new_empty(len(views.image_B3HW), 7, *views.depth_m_BHW.shape[1:])
    pixels_BLHW[:, :3], pixels_BLHW[:, 3] = views.image_B3HW, views.pixel_class_BHW
    pixels_BLHW[:, 4] = views.depth_m_BHW
    pixels_BLHW[:, 5].zero_()  # assigned numbers would be copied to the device
    pixels_BLHW[:, 6].fill_(-1.0)
    returns_B1RC = views.has_return_BRC[:, None]
    direction_B3RC = views.xyz_B3RC / views.range_m_BRC.clamp(min=1e-3)[:, None]
    camera_R_level_B33, level_3RC = views.level_R_camera_B33.mT, cell_directions(grid, pixels_BLHW.device)
    through_B3RC = (camera_R_level_B33 @ level_3RC.flatten(1)).view_as(direction_B3RC)
    direction_B3RC = torch.where(returns_B1RC, direction_B3RC, through_B3RC)
    u_BRC, v_BRC = uv_B2RC.floor().unbind(1)
    pixel_BRC = torch.where(seen_BRC, v_BRC * W + u_BRC, -1.0)
    none_BRC = torch.zeros_like(views.range_m_BRC)
    cells = (pixel_BRC, views.range_m_BRC, views.intensity_BRC, views.point_class_BRC, none_BRC, none_BRC - 1)
    far_color_B31 = far_color(views)
    return Scene(
        views,
        grid,
        pixels_BLHW.flatten(2),
        torch.cat([direction_B3RC, torch.stack(cells, dim=1)], dim=1).flatten(2),
        -views.lidar_offset_m_B3,
        far_color_B31,
        haze_density(views, far_color_B31),
        image_noise(views),
        views.image_B3HW.mean(dim=(1, 2, 3))[:, None],
    )


def painted(
    before_BLN: Tensor, color_B3N: Tensor, hit_BN: Tensor, depth_m_BN: Tensor, mark_B1N: Tensor | float, number: int
) -> Tensor:
    """A window's layers (B, L, N) with other colours and, where `hit_BN`, with the depth and mark of slot `number`."""
    new = float(UNKNOWN), depth_m_BN[:, None], mark_B1N, float(number)
    layers = (torch.where(hit_BN[:, None], value, before_BLN[:, 3 + n : 4 + n]) for n, value in enumerate(new))
    return torch.cat([color_B3N, *layers], dim=1)


def finished(scene: Scene) -> tuple[Views, Targets]:
    """Return the modified frames and their targets."""
    views = scene.views
    pixels_BLHW = scene.pixels_BLP.view(len(scene.pixels_BLP), -1, *views.depth_m_BHW.shape[1:])
    cells_BLRC = scene.cells_BLK.view(len(scene.cells_BLK), -1, *views.range_m_BRC.shape[1:])
    image_B3HW, pixel_class, depth_m_BHW, pixel_mark, _ = torch.split(pixels_BLHW, [3, 1, 1, 1, 1], dim=1)
    direction_B3RC = cells_BLRC[:, :3]
    _, range_m_B1RC, intensity, cell_class, cell_mark, number = torch.split(cells_BLRC[:, 3:], 1, dim=1)
    moved_B1RC = range_m_B1RC != views.range_m_BRC[:, None]
    pasted = replace(
        views,
        image_B3HW=image_B3HW,
        depth_m_BHW=depth_m_BHW[:, 0],
        pixel_class_BHW=pixel_class[:, 0].to(torch.uint8),
        xyz_B3RC=torch.where(moved_B1RC, direction_B3RC * range_m_B1RC, views.xyz_B3RC),
        range_m_BRC=range_m_B1RC[:, 0],
        intensity_BRC=intensity[:, 0],
        point_class_BRC=cell_class[:, 0].to(torch.uint8),
    )
    marks = pixel_mark[:, 0].to(torch.uint8), cell_mark[:, 0].to(torch.uint8)
    return pasted, Targets(*marks, number[:, 0].long())


def anomalous(scene: Scene) -> Tensor:
    """Return which frames (B,) bool contain an anomalous pixel or cell so far."""
    return (scene.pixels_BLP[:, 5] == 1).any(1) | (scene.cells_BLK[:, 7] == 1).any(1)
