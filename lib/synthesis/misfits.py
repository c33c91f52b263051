"""Misfits: objects of another frame, resized, stretched or turned upside down so that no normal object has their shape.

They have the detail, blur and noise of real objects, so that neither a striking surface nor pasting artefacts reveal
them. The whole object is scaled about its foot point, as if all of it were at the foot's distance.
Shape letters as in range_view.py; h, w: a window around the misfit; N: its pixels or cells, flattened.
Names: source_ is the object in its own frame, target_ where it is pasted.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lib.common.labels import BICYCLE, BUS, CAR, DYNAMIC, MOTORCYCLE, PEDESTRIAN, RIDER, STATIC, TRUCK, UNKNOWN
from lib.synthesis.appearance import blended, far_color, haze_density, hazed
from lib.synthesis.canvas import INTENSITY_DECAY, RANGE_NOISE_M, Scene, painted
from lib.synthesis.objects import choose_cells, class_mask, class_rarity, same_object
from lib.synthesis.placing import LARGE_WINDOW, MAX_EXTENT_M, free_spots
from lib.synthesis.transplant import brightness
from lib.synthesis.windows import Window, window_around, window_size
from lib.views.range_view import RangeGrid, Views, cell_column, cell_row, rolled
from lib.views.tensors import constant

SHAPED_CLASSES = (PEDESTRIAN, RIDER, CAR, TRUCK, BUS, MOTORCYCLE, BICYCLE, STATIC, DYNAMIC)
MIN_SOURCE_M, MAX_SOURCE_M = 3.0, 20.0  # range of the objects that are copied
MIN_CELLS = 5  # of a copied object
MIN_SIZE_M = 0.5
MIN_FACTOR, MAX_FACTOR, MAX_STRETCH = 0.15, 1.8, 3.0
USUAL_FACTOR, USUAL_STRETCH = 1.65, 1.8  # within both, the shape may be normal: it is turned upside down as well
FLIPPED_FRACTION = 0.35
SMALLEST_RANGE_M = 0.5
MAX_SOURCE_HAZE = 0.03  # haze density [1/m]: in denser haze, an object's colours do not fit another place
MIN_PIXELS = 8  # of a misfit: smaller ones would not be visible
HALVED_BELOW, HALVES = 0.7, 2  # scale below which the image is halved before sampling, against aliasing; at most twice


@dataclass(frozen=True, eq=False)
class _Misfits:
    """One misfit per frame, without occlusion, in windows of the image and of the range view.

    color_B3N: colours, before haze; depth_m_BN planar; in_pixel_BN, in_cell_BN: the misfit's mask; range_m_BN;
    intensity_BN as measured at source_range_m_BN; smooth_B1: fraction of the image noise that shrinking removed.
    """

    pixels: Window
    color_B3N: Tensor
    depth_m_BN: Tensor
    in_pixel_BN: Tensor
    smooth_B1: Tensor
    cells: Window
    range_m_BN: Tensor
    intensity_BN: Tensor
    source_range_m_BN: Tensor
    in_cell_BN: Tensor


@dataclass(frozen=True, eq=False)
class _Object:
    """One object per frame, where exists_B: its class, foot point (B, 3) and size [m] as measured by the LiDAR."""

    class_B: Tensor
    foot_B3: Tensor
    width_m_B: Tensor
    height_m_B: Tensor
    exists_B: Tensor

    def holds(self, x_m_BN: Tensor, y_m_BN: Tensor, class_BN: Tensor) -> Tensor:
        """Return which points (B, N) [m, relative to the LiDAR, camera axes] belong to the object."""
        return same_object(x_m_BN, y_m_BN, class_BN, self.foot_B3, self.class_B) & self.exists_B[:, None]


@dataclass(frozen=True, eq=False)
class _Shape:
    """Scale factors of an object's width and height, and whether it is turned upside down; (B, 1) each."""

    across_B1: Tensor
    up_B1: Tensor
    flipped_B1: Tensor


def paste_misfits(scene: Scene, wanted_B: Tensor, number: int, generator: torch.Generator) -> None:
    """Paste a reshaped object of another frame onto the ground of the frames `wanted_B`, in both sensors.

    A frame stays unchanged if there is no such object, no ground in reach, or too much haze around the object.
    `number`: the slot number in the targets.
    """
    views = scene.views
    donor = rolled(views, min(2, len(wanted_B) - 1))  # with 3 or more frames, not the transplant's donor
    spot_B3, free_B = free_spots(views, generator)
    misfits = _random_misfits(views, donor, spot_B3, scene.grid, generator)
    clear_B = (haze_density(donor, far_color(donor)) < MAX_SOURCE_HAZE).squeeze(1)
    before_BLN = misfits.pixels.take(scene.pixels_BLP)
    in_front_BN = misfits.depth_m_BN < before_BLN[:, 4]
    hit_BN = misfits.in_pixel_BN & in_front_BN & (misfits.depth_m_BN > SMALLEST_RANGE_M)
    shown_B1 = (wanted_B & free_B & clear_B & (hit_BN.sum(1) >= MIN_PIXELS))[:, None]
    hit_BN &= shown_B1
    color_B3N = hazed(misfits.color_B3N, misfits.depth_m_BN, scene.far_color_B31, scene.haze_density_B1, generator)
    noise_std_B1 = scene.noise_std_B1 * misfits.smooth_B1
    color_B3N = blended(before_BLN[:, :3], color_B3N, hit_BN, noise_std_B1, misfits.pixels.size, generator)
    after_BLN = painted(before_BLN, color_B3N, hit_BN, misfits.depth_m_BN, 1.0, number)
    misfits.pixels.put_(scene.pixels_BLP, after_BLN)

    layers_BLN = misfits.cells.take(scene.cells_BLK[:, 3:])
    pixel_BN, range_m_BN, intensity_BN, class_BN, mark_BN, slot_BN = layers_BLN.unbind(1)
    noise_BN = torch.randn(range_m_BN.shape, generator=generator, device=range_m_BN.device)
    new_m_BN = torch.addcmul(misfits.range_m_BN, noise_BN, RANGE_NOISE_M * misfits.smooth_B1)
    in_front_BN = (range_m_BN == 0) | (new_m_BN < range_m_BN)
    met_BN = misfits.in_cell_BN & shown_B1 & (new_m_BN > SMALLEST_RANGE_M) & in_front_BN
    reflected_BN = misfits.intensity_BN * torch.exp(INTENSITY_DECAY * (misfits.source_range_m_BN - new_m_BN))
    after = (
        pixel_BN,
        torch.where(met_BN, new_m_BN, range_m_BN),
        torch.where(met_BN, reflected_BN, intensity_BN),
        torch.where(met_BN, float(UNKNOWN), class_BN),
        torch.where(met_BN, 1.0, mark_BN),
        torch.where(met_BN, float(number), slot_BN),
    )
    misfits.cells.put_(scene.cells_BLK[:, 3:], torch.stack(after, dim=1))


def _random_misfits(
    views: Views, donor: Views, spot_B3: Tensor, grid: RangeGrid, generator: torch.Generator
) -> _Misfits:
    """Choose an object of each donor frame and a new shape, and place it at spot_B3 [m, as Views.xyz_B3RC]."""
    found = _choose_object(donor, generator)
    W = views.image_B3HW.shape[-1]
    distance_m_B = (spot_B3 + views.lidar_offset_m_B3)[:, 0].clamp(min=1.0)
    shape = _random_shape(found, 0.7 * W / LARGE_WINDOW * distance_m_B / views.intrinsics_B4[:, 0], generator)
    in_image = _in_image(views, donor, found, shape, spot_B3)
    return _Misfits(*in_image, *_in_range_view(grid, donor, found, shape, spot_B3))


def _choose_object(donor: Views, generator: torch.Generator) -> _Object:
    """Choose one object per frame, with equal probability per class and a preference for near ones."""
    seen_BRC = donor.seen_BRC
    range_m_BK, class_BK = donor.range_m_BRC.flatten(1), donor.point_class_BRC.flatten(1)
    near_BK = seen_BRC.flatten(1) & (range_m_BK > MIN_SOURCE_M) & (range_m_BK < MAX_SOURCE_M)
    rarity_BK = class_rarity(donor.point_class_BRC).flatten(1) / range_m_BK.square().clamp(min=1.0)
    seed_B, found_B = choose_cells(class_mask(class_BK, SHAPED_CLASSES) * near_BK * rarity_BK, generator)
    xyz_B3K = donor.xyz_B3RC.flatten(2)
    seed_B3 = xyz_B3K.gather(2, seed_B[:, None, None].expand(-1, 3, 1)).squeeze(2)
    class_B = class_BK.gather(1, seed_B[:, None]).squeeze(1)
    own_BK = same_object(xyz_B3K[:, 0], xyz_B3K[:, 1], class_BK, seed_B3, class_B) & (range_m_BK > 0)
    count_B = own_BK.sum(1)
    low_B3 = torch.where(own_BK[:, None], xyz_B3K, torch.inf).amin(2)
    high_B3 = torch.where(own_BK[:, None], xyz_B3K, -torch.inf).amax(2)
    middle_B3, size_B3 = (low_B3 + high_B3) / 2, high_B3 - low_B3
    exists_B = found_B & (count_B >= MIN_CELLS)
    foot_B3 = torch.cat([middle_B3[:, :2], low_B3[:, 2:]], dim=1)
    return _Object(
        class_B,
        torch.where(exists_B[:, None], foot_B3, 1.0),
        torch.where(exists_B, size_B3[:, 1], 1.0).clamp(min=0.1),
        torch.where(exists_B, size_B3[:, 2], 1.0).clamp(min=0.1),
        exists_B,
    )


def _random_shape(found: _Object, largest_m_B: Tensor, generator: torch.Generator) -> _Shape:
    """Draw a log-uniform size and a stretch."""
    drawn_3B = torch.rand(3, len(largest_m_B), generator=generator, device=largest_m_B.device)
    size_m_B = MIN_SIZE_M * (largest_m_B.clamp(min=MIN_SIZE_M, max=MAX_EXTENT_M) / MIN_SIZE_M) ** drawn_3B[0]
    factor_B = (size_m_B / torch.maximum(found.width_m_B, found.height_m_B)).clamp(MIN_FACTOR, MAX_FACTOR)
    stretch_B = MAX_STRETCH ** (2 * drawn_3B[1] - 1)
    usual_size_B = (factor_B < USUAL_FACTOR) & (factor_B > 1 / USUAL_FACTOR)
    usual_B = usual_size_B & (stretch_B < USUAL_STRETCH) & (stretch_B > 1 / USUAL_STRETCH)
    flipped_B = usual_B | (drawn_3B[2] < FLIPPED_FRACTION)
    return _Shape((factor_B * stretch_B.rsqrt())[:, None], (factor_B * stretch_B.sqrt())[:, None], flipped_B[:, None])


def _in_image(
    views: Views, donor: Views, found: _Object, shape: _Shape, spot_B3: Tensor
) -> tuple[Window, Tensor, Tensor, Tensor, Tensor]:
    """Return the fields of _Misfits that concern the image."""
    H, W = views.image_B3HW.shape[-2:]
    target_u_B1, target_v_B1, target_m_B1, target_fx_B1, target_fy_B1 = _seen_at(views, spot_B3)
    source_u_B1, source_v_B1, source_m_B1, source_fx_B1, source_fy_B1 = _seen_at(donor, found.foot_B3)
    across_B1 = shape.across_B1 * (target_fx_B1 / target_m_B1) / (source_fx_B1 / source_m_B1)
    up_B1 = shape.up_B1 * (target_fy_B1 / target_m_B1) / (source_fy_B1 / source_m_B1)
    height_px_B1 = found.height_m_B[:, None] * source_fy_B1 / source_m_B1
    middle_B = (target_v_B1 - up_B1 * height_px_B1 / 2).squeeze(1)
    window = window_around(middle_B, target_u_B1.squeeze(1), window_size((H, W), LARGE_WINDOW), (H, W))
    column_Bw = (source_u_B1 + (window.column_Bw + 0.5 - target_u_B1) / across_B1).floor()
    climb_Bh = (target_v_B1 - window.row_Bh - 0.5) / up_B1
    row_Bh = (source_v_B1 - torch.where(shape.flipped_B1, height_px_B1 - climb_Bh, climb_Bh)).floor()
    inside_BN = _pairs((row_Bh >= 0) & (row_Bh < H), (column_Bw >= 0) & (column_Bw < W))
    row_Bh, column_Bw = row_Bh.clamp(0, H - 1).long(), column_Bw.clamp(0, W - 1).long()
    source_BN = (row_Bh[:, :, None] * W + column_Bw[:, None]).flatten(1)
    depth_m_BN = donor.depth_m_BHW.flatten(1).gather(1, source_BN)
    aside_Bw = (donor.intrinsics_B4[:, 2:3] - column_Bw - 0.5) / source_fx_B1
    offset_m_B3 = donor.lidar_offset_m_B3
    y_m_BN = depth_m_BN * aside_Bw.repeat(1, row_Bh.shape[1]) - offset_m_B3[:, 1:2]
    class_BN = donor.pixel_class_BHW.flatten(1).gather(1, source_BN)
    own_BN = found.holds(depth_m_BN - offset_m_B3[:, :1], y_m_BN, class_BN) & inside_BN
    smaller_B1 = torch.minimum(across_B1, up_B1)
    gain_B11 = (brightness(views) / brightness(donor)).clamp(0.3, 3.0).flatten(2)
    color_B3N = _sampled(donor.image_B3HW, row_Bh, column_Bw, smaller_B1) * gain_B11
    new_depth_m_BN = target_m_B1 + shape.across_B1 * (depth_m_BN - source_m_B1)
    return window, color_B3N, new_depth_m_BN, own_BN, (1 - smaller_B1).clamp(min=0.0)


def _seen_at(views: Views, place_B3: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Project positions (B, 3) [m, relative to the LiDAR]: column, row [px], depth [m], fx, fy [px]; (B, 1) each."""
    fx_B1, fy_B1, cx_B1, cy_B1 = views.intrinsics_B4[..., None].unbind(1)
    x_B1, y_B1, z_B1 = (place_B3 + views.lidar_offset_m_B3)[..., None].unbind(1)
    x_B1 = x_B1.clamp(min=1.0)
    return cx_B1 - fx_B1 * y_B1 / x_B1, cy_B1 - fy_B1 * z_B1 / x_B1, x_B1, fx_B1, fy_B1


def _sampled(image_B3HW: Tensor, row_Bh: Tensor, column_Bw: Tensor, scale_B1: Tensor) -> Tensor:
    """Colours (B, 3, N) at a grid of rows and columns, from the image pyramid's level that fits the scale (B, 1)."""
    levels, firsts = [image_B3HW], [0]
    while len(levels) <= HALVES and min(levels[-1].shape[-2:]) > 1:
        firsts.append(firsts[-1] + levels[-1].shape[-2] * levels[-1].shape[-1])
        levels.append(_halved(levels[-1]))
    halved_B1 = torch.zeros_like(scale_B1, dtype=torch.int64)
    for n in range(len(levels) - 1):
        halved_B1 += scale_B1 < HALVED_BELOW / 2**n
    sizes = tuple((first, *level.shape[-2:]) for first, level in zip(firsts, levels, strict=True))
    size_L3 = constant(tuple(number for size in sizes for number in size), torch.int64, scale_B1.device).view(-1, 3)
    first_B1, height_B1, width_B1 = size_L3[halved_B1.squeeze(1)][..., None].unbind(1)
    row_Bh = torch.minimum(row_Bh >> halved_B1, height_B1 - 1)
    column_Bw = torch.minimum(column_Bw >> halved_B1, width_B1 - 1)
    place_BN = (first_B1[..., None] + row_Bh[:, :, None] * width_B1[..., None] + column_Bw[:, None]).flatten(1)
    pixels_B3P = torch.cat([level.flatten(2) for level in levels], dim=2)
    return pixels_B3P.gather(2, place_BN[:, None].expand(-1, 3, -1))


def _halved(maps: Tensor) -> Tensor:
    """Means of 2 x 2 pixels of maps (..., H, W); a last odd row or column is left out."""
    height, width = maps.shape[-2] // 2 * 2, maps.shape[-1] // 2 * 2
    rows = maps[..., 0:height:2, :] + maps[..., 1:height:2, :]
    return (rows[..., 0:width:2] + rows[..., 1:width:2]).mul_(0.25)


def _in_range_view(
    grid: RangeGrid, donor: Views, found: _Object, shape: _Shape, spot_B3: Tensor
) -> tuple[Window, Tensor, Tensor, Tensor, Tensor]:
    """Return the fields of _Misfits that concern the range view."""
    R, C = grid.rows, grid.visible_columns
    target_row_B1, target_column_B1, target_flat_m_B1 = _cell_at(spot_B3, grid)
    source_row_B1, source_column_B1, source_flat_m_B1 = _cell_at(found.foot_B3, grid)
    top_B3 = torch.cat([found.foot_B3[:, :2], found.foot_B3[:, 2:] + found.height_m_B[:, None]], dim=1)
    height_rows_B1 = source_row_B1 - _cell_at(top_B3, grid)[0]
    nearer_B1 = source_flat_m_B1 / target_flat_m_B1
    size = (R, max(1, C // LARGE_WINDOW))
    window = window_around(target_row_B1.squeeze(1), target_column_B1.squeeze(1), size, (R, C))
    away_Bw = (window.column_Bw + 0.5 - target_column_B1) / (nearer_B1 * shape.across_B1)
    column_Bw = (source_column_B1 + away_Bw).floor()
    climb_Bh = (target_row_B1 - window.row_Bh) / (nearer_B1 * shape.up_B1)
    row_Bh = (source_row_B1 - torch.where(shape.flipped_B1, height_rows_B1 - climb_Bh, climb_Bh)).round()
    inside_BN = _pairs((row_Bh >= 0) & (row_Bh < R), (column_Bw >= 0) & (column_Bw < C))
    row_Bh, column_Bw = row_Bh.clamp(0, R - 1).long(), column_Bw.clamp(0, C - 1).long()
    source_BN = (row_Bh[:, :, None] * C + column_Bw[:, None]).flatten(1)

    def from_source(cells_BRC: Tensor) -> Tensor:
        return cells_BRC.flatten(1).gather(1, source_BN)

    source_range_m_BN = from_source(donor.range_m_BRC)
    x_m_BN, y_m_BN = (from_source(donor.xyz_B3RC[:, axis]) for axis in range(2))
    own_BN = found.holds(x_m_BN, y_m_BN, from_source(donor.point_class_BRC)) & inside_BN & (source_range_m_BN > 0)
    target_m_B1, source_m_B1 = (place_B3.norm(dim=1, keepdim=True) for place_B3 in (spot_B3, found.foot_B3))
    range_m_BN = target_m_B1 + shape.across_B1 * (source_range_m_BN - source_m_B1)
    return window, range_m_BN, from_source(donor.intensity_BRC), source_range_m_BN, own_BN


def _cell_at(place_B3: Tensor, grid: RangeGrid) -> tuple[Tensor, Tensor, Tensor]:
    """Fractional row and column of positions (B, 3) in the range view, and horizontal distance [m]; (B, 1) each."""
    x_B, y_B, z_B = place_B3.unbind(1)
    flat_m_B = (x_B.square() + y_B.square()).sqrt().clamp(min=1.0)
    return cell_row(flat_m_B, z_B, grid)[:, None], cell_column(place_B3, grid)[:, None], flat_m_B[:, None]


def _pairs(rows_Bh: Tensor, columns_Bw: Tensor) -> Tensor:
    return (rows_Bh[:, :, None] & columns_Bw[:, None]).flatten(1)
