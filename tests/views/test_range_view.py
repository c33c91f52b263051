from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.common.labels import CAR, ROAD, UNKNOWN
from lib.geometry.camera import Camera
from lib.geometry.rigid import invert, vehicle_SE3_sensor
from lib.synthesis.targets import no_targets
from lib.training.augmentation import augment
from lib.views.mirror import mirrored as mirror
from lib.views.range_view import RangeGrid, cell_column, cell_directions, cell_row, columns_aside, make_views
from tests.views.streets import GRID, HEIGHT_PX, WIDTH_PX, flat_street


def test_every_cell_holds_its_own_ray():
    views, cell = make_views(flat_street(2), GRID)
    returned = views.has_return_BRC
    assert returned.float().mean() > 0.5
    direction = views.xyz_B3RC / views.range_m_BRC.clamp(min=1e-6)[:, None]
    expected = cell_directions(GRID, torch.device("cpu"))
    error = (direction - expected).square().sum(1).sqrt()
    assert error[returned].max() < 1e-4
    assert (views.point_class_BRC[returned] == ROAD).all()
    assert (views.point_class_BRC[~returned] == UNKNOWN).all()
    assert (cell >= 0).float().mean() == pytest.approx(GRID.visible_columns / GRID.columns, abs=0.02)


def test_the_nearest_point_of_a_cell_is_seen():
    batch = flat_street(1)
    near = batch.points_BP4[0, :1].clone()
    near[:, :3] *= 0.5
    doubled = torch.cat([batch.points_BP4[0], near])[None]
    classes = torch.cat([batch.point_class_BP[0], torch.tensor([14], dtype=torch.uint8)])[None]
    batch = type(batch)(**{**vars(batch), "points_BP4": doubled, "point_class_BP": classes,
                           "num_points_B": batch.num_points_B + 1})  # fmt: skip
    whole = type(GRID)(GRID.rows, GRID.columns, GRID.columns, GRID.upper_fov_deg, GRID.lower_fov_deg)
    views, cell = make_views(batch, whole)
    assert cell[0, 0] == cell[0, -1]
    assert views.point_class_BRC.flatten(1)[0, cell[0, 0]] == 14


def tilted_street(rotation: tuple[float, float, float]):
    """The flat street, seen by a camera that is rolled, pitched and yawed [degrees]."""
    batch = flat_street(2)
    camera_SE3_lidar = torch.from_numpy(invert(vehicle_SE3_sensor((0, 0, 0), rotation))).float()
    return replace(batch, camera_SE3_lidar_B44=camera_SE3_lidar.expand(2, 4, 4).contiguous())


@pytest.mark.parametrize("rotation", [(5.0, 0.0, 0.0), (0.0, -20.0, 0.0), (-4.0, 12.0, 25.0)])
def test_the_rows_of_a_tilted_camera_are_the_lidars_rings(rotation):
    """Each ring stays in its row, and the network sees the ground as level as the LiDAR does."""
    batch = tilted_street(rotation)
    whole = replace(GRID, visible_columns=GRID.columns)
    (_, level_cell), (views, cell) = make_views(flat_street(2), whole), make_views(batch, whole)
    turned = round(rotation[2] / 360 * GRID.columns)  # to the right, so that everything lies further left
    assert torch.equal(cell // whole.columns, level_cell // whole.columns)
    assert ((level_cell - cell - turned + 1) % whole.columns).max() <= 2
    heights = views.level_xyz_B3RC[:, 2][views.has_return_BRC]
    assert (heights + 1.8).abs().max() < 1e-4
    assert (views.xyz_B3RC[:, 2][views.has_return_BRC] + 1.8).abs().max() > 0.1


def test_a_level_camera_changes_no_bit():
    views, _ = make_views(tilted_street((0.0, 0.0, 33.0)), GRID)
    assert torch.equal(views.level_R_camera_B33, torch.eye(3).expand(2, 3, 3))
    assert torch.equal(views.level_xyz_B3RC, views.xyz_B3RC)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(views.level_xyz_B3RC, views.xyz_B3RC)


def test_the_mirror_image_of_a_tilted_camera_is_level_as_well():
    views, _ = make_views(tilted_street((8.0, -10.0, 20.0)), GRID)
    heights = mirror(views).level_xyz_B3RC[:, 2][mirror(views).has_return_BRC]
    assert (heights + 1.8).abs().max() < 1e-4


@pytest.mark.parametrize("elevations_deg", [(), (3.0, 1.0, 0.0, -0.5, -4.0, -15.0)])
def test_a_cells_direction_lies_in_the_middle_of_the_cell(elevations_deg):
    grid = RangeGrid(6, 64, 64, 3.0, -15.0, elevations_deg)
    x, y, z = cell_directions(grid, torch.device("cpu"))
    expected_row = torch.arange(6.0)[:, None].expand(6, 64)
    assert torch.allclose(cell_row(torch.hypot(x, y), z, grid), expected_row, atol=1e-4)
    column = cell_column(torch.stack([x, y, z], dim=-1).flatten(0, 1), grid).view(6, 64)
    assert torch.allclose(column, (torch.arange(64.0) + 0.5).expand(6, 64), atol=1e-3)


def test_rows_of_uneven_rings_take_the_nearest_ring():
    grid = RangeGrid(3, 64, 64, 2.0, -10.0, (2.0, 0.0, -10.0))
    elevation = torch.deg2rad(torch.tensor([9.0, 1.2, 0.8, -4.9, -5.1, -30.0]))
    row = cell_row(elevation.cos(), elevation.sin(), grid).round().clamp(0, 2)
    assert row.tolist() == [0, 0, 1, 1, 2, 2]


def test_padding_has_no_cell():
    batch = flat_street(1)
    shorter = type(batch)(**{**vars(batch), "num_points_B": batch.num_points_B - 100})
    _, cell = make_views(shorter, GRID)
    assert (cell[0, -100:] == -1).all()


def test_projection_equals_the_camera_of_lib_geometry():
    views, _ = make_views(flat_street(1), GRID)
    uv, seen = views.projection
    camera = Camera.from_fov(WIDTH_PX, HEIGHT_PX, 90.0)
    points = views.xyz_B3RC[0].flatten(1).T.double().numpy()
    u, v, visible = camera.project(points)
    returned = views.has_return_BRC[0].flatten().numpy()
    assert (seen[0].flatten().numpy() == (visible & returned)).mean() > 0.999
    both = seen[0].flatten().numpy() & visible
    assert np.abs(uv[0, 0].flatten().numpy()[both] - u[both]).max() < 1e-2
    assert np.abs(uv[0, 1].flatten().numpy()[both] - v[both]).max() < 1e-2


def test_where_pixel_columns_look_equals_unprojection():
    views, _ = make_views(flat_street(1), GRID)
    camera = Camera.from_fov(WIDTH_PX, HEIGHT_PX, 90.0)
    expected = camera.unproject(np.ones((HEIGHT_PX, WIDTH_PX)))
    assert np.allclose(columns_aside(views)[0].numpy(), expected[0, :, 1], atol=1e-5)


def test_mirroring_keeps_points_on_their_pixels():
    """Left of a third of the image everything is a car, for both sensors: after the mirror, right of two thirds."""
    batch = flat_street(8)
    batch.pixel_class_BHW[:, :, : WIDTH_PX // 3] = CAR
    views, _ = make_views(batch, GRID)
    uv, seen = views.projection
    car = seen & (uv[:, 0] < WIDTH_PX // 3)
    views = replace(views, point_class_BRC=torch.where(car, CAR, views.point_class_BRC).to(torch.uint8))
    mirrored, _ = augment(views, no_targets(views), 0.15, torch.Generator().manual_seed(0))
    flipped = mirrored.pixel_class_BHW[:, -1, -1] == CAR
    assert flipped.any() and not flipped.all()
    uv, seen = mirrored.projection
    frame, row, column = torch.nonzero(seen, as_tuple=True)
    u, v = uv[frame, :, row, column].floor().long().unbind(1)
    agreed = mirrored.pixel_class_BHW[frame, v, u] == mirrored.point_class_BRC[frame, row, column]
    assert agreed.float().mean() > 0.99
    assert (mirrored.point_class_BRC == CAR)[flipped].any()
