"""Objects of other frames in shapes that nothing normal has: the same in both sensors, on the ground, in front."""

from dataclasses import replace

import pytest
import torch

from lib.common.labels import CAR, PEDESTRIAN, UNKNOWN
from lib.synthesis.canvas import finished, open_scene
from lib.synthesis.families import TRAINING, VALIDATION
from lib.synthesis.misfits import paste_misfits
from lib.synthesis.pseudo_anomalies import Mix, paste_pseudo_anomalies
from lib.views.range_view import make_views
from tests.views.streets import GRID, HEIGHT_M, HEIGHT_PX, WIDTH_PX, flat_street

FRAMES = 48


def street_with_objects(frames=FRAMES):
    """A box that stands on the ground 6 m to 10 m ahead of each frame, in one of two classes, seen by both sensors."""
    batch = flat_street(frames)
    far_m = 6 + 4 * torch.rand(frames, generator=torch.Generator().manual_seed(1))
    class_id = torch.where(torch.arange(frames) % 2 == 0, CAR, PEDESTRIAN).to(torch.uint8)
    points, point_class = batch.points_BP4.clone(), batch.point_class_BP.clone()
    depth_m, pixel_class, image = batch.depth_m_BHW.clone(), batch.pixel_class_BHW.clone(), batch.image_BHW3.clone()
    row, column = torch.arange(HEIGHT_PX)[:, None] + 0.5, torch.arange(WIDTH_PX) + 0.5
    f = WIDTH_PX / 2
    for n in range(frames):
        away_m = points[n, :, 0]
        inside = (away_m > far_m[n]) & ((points[n, :, 1] / away_m).abs() < 0.7 / far_m[n])
        inside &= -HEIGHT_M / away_m * far_m[n] < -0.2
        points[n, inside, :3] *= (far_m[n] / away_m[inside])[:, None]
        point_class[n, inside] = class_id[n]
        aside_m, up_m = (WIDTH_PX / 2 - column) / f * far_m[n], (HEIGHT_PX / 2 - row) / f * far_m[n]
        shown = (aside_m.abs() < 0.7) & (up_m < -0.2) & (up_m > -HEIGHT_M)
        depth_m[n, shown], pixel_class[n, shown], image[n, shown] = far_m[n].half(), class_id[n], 200
    return replace(
        batch, points_BP4=points, point_class_BP=point_class, depth_m_BHW=depth_m, pixel_class_BHW=pixel_class,
        image_BHW3=image,
    )  # fmt: skip


@pytest.fixture(scope="module")
def pasted():
    views, _ = make_views(street_with_objects(), GRID)
    scene = open_scene(views, GRID, *views.projection)
    wanted_B = torch.arange(FRAMES) % 4 > 0
    paste_misfits(scene, wanted_B, 3, torch.Generator().manual_seed(0))
    return views, wanted_B, *finished(scene)


def test_most_wanted_frames_get_one_and_others_stay(pasted):
    before, wanted_B, views, targets = pasted
    marked_B = (targets.pixel_BHW == 1).flatten(1).any(1)
    assert marked_B[wanted_B].float().mean() > 0.6
    assert not marked_B[~wanted_B].any() and not (targets.cell_BRC[~wanted_B] == 1).any()
    assert torch.equal(views.image_B3HW[~wanted_B], before.image_B3HW[~wanted_B])
    assert set(targets.cell_object_BRC.unique().tolist()) == {-1, 3}


def test_both_sensors_see_it(pasted):
    """Points that project well within its picture are its own, and no point far from it is."""
    _, _, views, targets = pasted
    uv, seen = views.projection
    u = uv[:, 0].floor().long().clamp(0, WIDTH_PX - 1)
    v = uv[:, 1].floor().long().clamp(0, HEIGHT_PX - 1)
    frame = torch.arange(FRAMES)[:, None, None].expand_as(u)
    marked = (targets.pixel_BHW == 1).float()[:, None]
    inner = -torch.nn.functional.max_pool2d(-marked, 5, 1, 2)[:, 0]
    outer = torch.nn.functional.max_pool2d(marked, 7, 1, 3)[:, 0]
    cell = targets.cell_BRC == 1
    inside, outside = seen & (inner[frame, v, u] == 1), seen & (outer[frame, v, u] == 0)
    assert inside.sum() > 100
    assert cell[inside].float().mean() > 0.9
    assert cell[outside].float().mean() < 0.002


def test_it_hides_what_is_behind_and_nothing_else_changes(pasted):
    before, _, views, targets = pasted
    cell, pixel = targets.cell_BRC == 1, targets.pixel_BHW == 1
    hidden = cell & before.has_return_BRC
    assert (views.range_m_BRC[hidden] < before.range_m_BRC[hidden]).all()
    assert (views.depth_m_BHW[pixel] < before.depth_m_BHW[pixel]).all()
    assert torch.equal(views.range_m_BRC[~cell], before.range_m_BRC[~cell])
    assert torch.equal(views.depth_m_BHW[~pixel], before.depth_m_BHW[~pixel])
    assert (views.pixel_class_BHW[pixel] == UNKNOWN).all() and (views.point_class_BRC[cell] == UNKNOWN).all()


def test_it_has_another_size_or_shape_than_what_it_was(pasted):
    """The boxes are 1.4 m wide and 1.6 m high: misfits are from half a metre to twice that, and few are alike."""
    _, _, views, targets = pasted
    heights = []
    for frame in range(FRAMES):
        z = views.xyz_B3RC[frame, 2][targets.cell_BRC[frame] == 1]
        if len(z) > 8:
            heights.append(float(z.max() - z.min()))
    assert len(heights) > 15
    assert min(heights) < 0.9 and max(heights) > 1.5


def test_only_training_has_them(monkeypatch):
    views, _ = make_views(street_with_objects(8), GRID)
    asked = []
    monkeypatch.setattr("lib.synthesis.pseudo_anomalies.paste_misfits", lambda *_: asked.append(True))
    for families in (VALIDATION, TRAINING):
        mix = Mix(2, 0.25, misfit_fraction=0.5)
        paste_pseudo_anomalies(views, GRID, mix, families, torch.Generator().manual_seed(0))
        assert bool(asked) is (families is TRAINING)


def test_without_a_fraction_of_frames_there_are_none(monkeypatch):
    views, _ = make_views(street_with_objects(8), GRID)
    monkeypatch.setattr("lib.synthesis.pseudo_anomalies.paste_misfits", lambda *_: pytest.fail("asked for"))
    paste_pseudo_anomalies(views, GRID, Mix(2, 0.25), TRAINING, torch.Generator().manual_seed(0))
