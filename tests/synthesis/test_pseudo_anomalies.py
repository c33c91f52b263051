from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.common.labels import CAR, UNKNOWN
from lib.synthesis.families import TRAINING
from lib.synthesis.placing import MAX_DISTANCE_M
from lib.synthesis.pseudo_anomalies import Mix, paste_pseudo_anomalies
from lib.synthesis.transplant import transplant
from lib.views.range_view import make_views
from tests.views.streets import GRID, HEIGHT_PX, WIDTH_PX, flat_street


def pasted(seed=0, frames=32, clean=0.25, slots=2, families=TRAINING):
    views, _ = make_views(flat_street(frames), GRID)
    generator = torch.Generator().manual_seed(seed)
    return views, *paste_pseudo_anomalies(views, GRID, Mix(slots, clean, misfit_fraction=0.5), families, generator)


def test_both_sensors_see_the_same_anomalies():
    """Where a cell's point projects, away from edges, cell and pixel must agree on anomalous or normal."""
    _, views, targets = pasted(frames=96)
    uv, seen = views.projection
    u = uv[:, 0].floor().long().clamp(0, WIDTH_PX - 1)
    v = uv[:, 1].floor().long().clamp(0, HEIGHT_PX - 1)
    frame = torch.arange(len(u))[:, None, None].expand_as(u)
    marked = (targets.pixel_BHW == 1).float()[:, None]
    inner = -torch.nn.functional.max_pool2d(-marked, 5, 1, 2)[:, 0]
    outer = torch.nn.functional.max_pool2d(marked, 5, 1, 2)[:, 0]
    cell = targets.cell_BRC == 1
    sure = seen & (targets.cell_BRC != 255)
    inside = sure & (inner[frame, v, u] == 1)
    outside = sure & (outer[frame, v, u] == 0)
    assert inside.sum() > 100
    assert cell[inside].float().mean() > 0.95
    assert cell[outside].float().mean() < 0.002


def test_what_is_not_pasted_stays():
    before, views, targets = pasted()
    untouched = targets.cell_BRC == 0
    assert torch.equal(views.range_m_BRC[untouched], before.range_m_BRC[untouched])
    assert torch.equal(views.point_class_BRC[untouched], before.point_class_BRC[untouched])
    assert (views.point_class_BRC[targets.cell_BRC == 1] == UNKNOWN).all()


def test_pasted_solids_are_nearer_than_what_they_hide():
    before, views, targets = pasted()
    moved = (targets.cell_BRC == 1) & before.has_return_BRC
    assert (views.range_m_BRC[moved] < before.range_m_BRC[moved] + 1.0).all()
    assert views.range_m_BRC[targets.cell_BRC == 1].max() < MAX_DISTANCE_M + 6


def test_clean_frames_hold_none():
    _, _, targets = pasted(frames=32, clean=0.25)
    anomalous = (targets.cell_BRC == 1).flatten(1).any(1) | (targets.pixel_BHW == 1).flatten(1).any(1)
    assert anomalous.sum() <= 24
    assert anomalous.sum() >= 16
    _, _, targets = pasted(clean=1.0)
    assert not (targets.cell_BRC == 1).any() and not (targets.pixel_BHW == 1).any()


def test_same_seed_same_pastes():
    _, first, first_targets = pasted(seed=5, frames=4)
    _, again, again_targets = pasted(seed=5, frames=4)
    _, other, _ = pasted(seed=6, frames=4)
    assert torch.equal(first.image_B3HW, again.image_B3HW)
    assert torch.equal(first_targets.cell_BRC, again_targets.cell_BRC)
    assert not torch.equal(first.image_B3HW, other.image_B3HW)


def test_images_stay_in_range_and_finite():
    _, views, _ = pasted()
    assert torch.isfinite(views.image_B3HW).all() and torch.isfinite(views.xyz_B3RC).all()
    assert views.image_B3HW.min() >= 0 and views.image_B3HW.max() <= 1


def test_intensity_that_knows_only_distance_stays_so():
    """With CARLA's LiDAR (intensity = exp(-0.004 r)) a pasted return must not stand out by its intensity."""
    batch = flat_street(16)
    radius = batch.points_BP4[..., :3].square().sum(-1).sqrt()
    batch.points_BP4[..., 3] = torch.exp(-0.004 * radius)
    views, _ = make_views(batch, GRID)
    mix = Mix(2, 0.0, misfit_fraction=0.5)
    views, targets = paste_pseudo_anomalies(views, GRID, mix, TRAINING, torch.Generator().manual_seed(0))
    anomalous = targets.cell_BRC == 1
    assert anomalous.any()
    expected = torch.exp(-0.004 * views.range_m_BRC)
    assert (views.intensity_BRC - expected)[anomalous].abs().max() < 1e-4


def test_transplanted_objects_keep_class_and_place():
    batch = flat_street(2)
    batch.point_class_BP[1, :400] = CAR
    views, _ = make_views(batch, GRID)
    donor_cells = (views.point_class_BRC[1] == CAR) & views.has_return_BRC[1]
    assert donor_cells.any()
    nearer = views.range_m_BRC.clone()
    nearer[1][donor_cells] *= 0.8
    views = replace(views, range_m_BRC=nearer)
    wanted = torch.tensor([True, False])
    after = transplant(views, wanted, torch.Generator().manual_seed(0))
    arrived = after.point_class_BRC[0] == CAR
    assert arrived.any()
    assert donor_cells[arrived].all()
    assert torch.equal(after.range_m_BRC[0][arrived], nearer[1][arrived])
    assert torch.equal(after.range_m_BRC[1], views.range_m_BRC[1])


@pytest.mark.parametrize("slots", [1, 4])
def test_slots_bound_the_objects(slots):
    _, _, targets = pasted(slots=slots)
    assert np.unique(targets.cell_object_BRC.numpy()).max() <= slots - 1
