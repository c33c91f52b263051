"""Ground negatives (shadows of objects out of sight, dirt) change the image of the ground, and nothing else."""

import pytest
import torch

from lib.common.labels import ROAD
from lib.synthesis.canvas import finished, open_scene
from lib.synthesis.families import TRAINING
from lib.synthesis.ground_negatives import paste_ground_negatives
from lib.synthesis.pseudo_anomalies import Mix, paste_pseudo_anomalies
from lib.views.range_view import make_views
from tests.views.streets import GRID, flat_street

FRAMES = 80
VISIBLE = 0.03
ENOUGH_PIXELS = 4


def painted_on_ground(dirty):
    views, _ = make_views(flat_street(FRAMES), GRID)
    scene = open_scene(views, GRID, *views.projection)
    wanted_B = torch.arange(FRAMES) % 4 > 0
    paste_ground_negatives(scene, wanted_B, torch.full((FRAMES,), dirty), torch.Generator().manual_seed(0))
    return views, wanted_B, *finished(scene)


@pytest.mark.parametrize("dirty", [False, True])
def test_only_the_image_of_the_ground_changes_and_nothing_is_marked(dirty):
    before, wanted_B, after, targets = painted_on_ground(dirty)
    change = (after.image_B3HW - before.image_B3HW).mean(1)
    shown_B = (change.abs() > VISIBLE).flatten(1).sum(1)
    assert (shown_B[wanted_B] >= ENOUGH_PIXELS).float().mean() > 0.7
    assert (shown_B[~wanted_B] == 0).all()
    assert (change[before.pixel_class_BHW != ROAD] == 0).all()
    assert not targets.pixel_BHW.any() and not targets.cell_BRC.any() and (targets.cell_object_BRC == -1).all()
    for name in ("xyz_B3RC", "range_m_BRC", "intensity_BRC", "point_class_BRC", "pixel_class_BHW", "depth_m_BHW"):
        assert torch.equal(getattr(after, name), getattr(before, name)), name
    brighter_B = change.flatten(1).sum(1)[wanted_B] > 0
    assert brighter_B.any() == dirty


def test_training_shows_them_in_frames_with_and_without_anomalies():
    """So that darker ground is no sign of an anomaly."""
    views, _ = make_views(flat_street(400), GRID)
    mix = Mix(1, 0.5, misfit_fraction=0.5, ground_negative_fraction=0.2)
    pasted, targets = paste_pseudo_anomalies(views, GRID, mix, TRAINING, torch.Generator().manual_seed(1))
    anomalous_B = (targets.pixel_BHW == 1).flatten(1).any(1)
    untouched = (targets.pixel_BHW == 0) & (pasted.pixel_class_BHW == ROAD)
    change = (pasted.image_B3HW - views.image_B3HW).abs().mean(1) * untouched
    painted_B = (change > VISIBLE).flatten(1).sum(1) >= ENOUGH_PIXELS
    assert 0.14 < painted_B[~anomalous_B].float().mean() < 0.3
    assert painted_B[anomalous_B].float().mean() > 0.14


def test_without_a_fraction_of_frames_there_are_none(monkeypatch):
    views, _ = make_views(flat_street(8), GRID)
    monkeypatch.setattr("lib.synthesis.pseudo_anomalies.paste_ground_negatives", lambda *_: pytest.fail("asked for"))
    paste_pseudo_anomalies(views, GRID, Mix(1, 0.5, ground_negative_fraction=0.0), TRAINING, torch.Generator())
