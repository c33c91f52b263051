"""What is pasted is seen in the earlier frames where it would be if it truly stood there."""

from dataclasses import replace

import pytest
import torch

from lib.common.labels import CAR, WALL
from lib.common.ticks import HISTORY_TICKS
from lib.geometry.camera import Camera
from lib.geometry.frame import Lidar
from lib.synthesis.earlier_pastes import with_pasted
from lib.synthesis.families import TRAINING
from lib.synthesis.pseudo_anomalies import Mix, paste_pseudo_anomalies
from lib.views.past_views import Lead, make_past_views, with_motion
from lib.views.range_view import make_views
from tests.present import present
from tests.views.moving_street import (
    GRID,
    Box,
    Rig,
    Street,
    driving,
    last_frame,
    straight,
    street_shard,
    true_tracks,
)

LAGS = (0, 2, 5, 10)
TICKS = (0, 5, 8, 10)
CAMERA = Camera.from_fov(192, 128, 80.0)
RIGS = {
    "plain": Rig(camera=CAMERA),
    "LiDAR elsewhere": Rig((Lidar(32, 8.0, -16.0, 100.0, (0.6, 0.2, 2.0), (0.0, 0.0, 90.0)),), CAMERA),
    "tilted camera": Rig(camera=CAMERA, location=(0.5, -0.2, 1.6), rotation=(0.0, 3.0, 4.0)),
}
POSES = {"ahead": straight(8.0), "in a bend": straight(6.0, 0.2), "standing": straight(0.0)}
WALLS = (
    Box((4.0, 7.0, 0.0), (50.0, 8.0, 4.0), WALL),
    Box((50.0, -8.0, 0.0), (51.0, 8.0, 4.0), WALL),
)
PASTED = Box((13.0, -2.4, 0.0), (14.5, -0.6, 1.8), WALL, (30, 220, 60))


def seen(path, boxes, poses, rig):
    """The present's views, those of the past, and the past itself, of a street with these boxes."""
    path.mkdir()
    shard = street_shard(path / "Scenario_1.h5", Street(boxes), poses, rig, TICKS)
    batch, past = last_frame(shard, LAGS, true_tracks(shard, TICKS, CAR, driving(8.0)))
    return make_views(batch, GRID)[0], make_past_views(batch, past, GRID), past


def green(past):
    return (past.image_B3hw[0, 1] - past.image_B3hw[0, 0]) > 0.35


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("rig", RIGS.values(), ids=RIGS)
@pytest.mark.parametrize("poses", POSES.values(), ids=POSES)
def test_a_box_is_seen_where_a_standing_one_would_be(tmp_path, rig, poses):
    """The present frame is that with the box, which the past is told of; and the past that of a street with it."""
    before, without, _ = seen(tmp_path / "without", WALLS, poses, rig)
    after, true, _ = seen(tmp_path / "true", (*WALLS, PASTED), poses, rig)
    pasted = with_pasted(without, before, after, GRID, generator())
    for found, wanted, empty in zip(pasted, true, without, strict=True):
        box = wanted.range_m_BRC != empty.range_m_BRC
        assert box.sum() > 30
        # Range noise is drawn twice: so often it is within 0.4 m.
        near = (found.range_m_BRC - wanted.range_m_BRC).abs() < 0.4
        assert near[box].float().mean() > 0.75
        beside = ~box & (found.range_m_BRC != empty.range_m_BRC)
        assert beside.sum() < 0.3 * box.sum()
        agreed = (green(found) & green(wanted)).sum() / (green(found) | green(wanted)).sum()
        assert green(wanted).sum() > 20 and agreed > 0.7
        elsewhere = ~(green(found) | green(wanted))
        assert ((found.image_B3hw - empty.image_B3hw)[0, :, elsewhere].abs().amax(0) > 0.02).float().mean() < 0.02


def test_what_stood_in_front_of_it_hides_it(tmp_path):
    """The vehicle ahead has cut in: it was between the ego and the place, and is farther now."""
    poses, rig = straight(2.0), RIGS["plain"]
    car = Box((17.0, -2.4, 0.2), (20.0, -0.6, 2.0), CAR, (220, 40, 40), driving(14.0))
    pasted_box = replace(PASTED, low_m=(14.0, -2.4, 0.0), high_m=(14.5, -0.6, 1.8))
    before, without, _ = seen(tmp_path / "without", (*WALLS, car), poses, rig)
    after, _, _ = seen(tmp_path / "true", (*WALLS, car, pasted_box), poses, rig)
    found, empty = with_pasted(without, before, after, GRID, generator())[2], without[2]
    assert empty.lead_BRC.sum() > 50
    assert torch.equal(found.range_m_BRC[empty.lead_BRC], empty.range_m_BRC[empty.lead_BRC])
    assert torch.equal(found.lead_BRC, empty.lead_BRC)
    red = (empty.image_B3hw[0, 0] - empty.image_B3hw[0, 1]) > 0.35
    assert (green(found) & red).sum() <= 0.05 * red.sum()


def test_what_it_hides_is_the_vehicle_ahead_no_more(tmp_path):
    car = Box((22.0, -0.9, 0.2), (26.0, 0.9, 1.5), CAR, (220, 40, 40), driving(8.0))
    box = replace(PASTED, low_m=(9.0, -1.5, 0.0), high_m=(9.5, 1.5, 2.5))
    before, without, _ = seen(tmp_path / "without", (*WALLS, car), straight(2.0), RIGS["plain"])
    after, _, _ = seen(tmp_path / "true", (*WALLS, car, box), straight(2.0), RIGS["plain"])
    for found, empty in zip(with_pasted(without, before, after, GRID, generator()), without, strict=True):
        assert empty.lead_BRC.any()
        assert torch.equal(found.lead_BRC, empty.lead_BRC & (found.range_m_BRC == empty.range_m_BRC))
        assert found.lead_BRC.sum() < 0.3 * empty.lead_BRC.sum()


@pytest.mark.parametrize("rig", [RIGS["plain"], RIGS["LiDAR elsewhere"]], ids=["plain", "LiDAR elsewhere"])
def test_random_solids_are_still(tmp_path, rig):
    """Of all that is pasted in training; without the past's part they would have come out of nowhere."""
    views, pasts, past = seen(tmp_path / "drive", WALLS, straight(7.0, 0.1), rig)
    nobody = Lead(torch.zeros_like(views.range_m_BRC, dtype=torch.bool), torch.full((1, HISTORY_TICKS + 1), torch.nan))
    still: list[torch.Tensor] = []
    abrupt: list[torch.Tensor] = []
    for seed in range(8):
        after, targets = paste_pseudo_anomalies(views, GRID, Mix(2, 0.0, 0.0, 0.0, 0.0), TRAINING, generator(seed))
        solid = (targets.cell_BRC == 1) & (after.range_m_BRC != views.range_m_BRC)
        for values, earlier in ((still, with_pasted(pasts, views, after, GRID, generator(seed))), (abrupt, pasts)):
            channels = present(with_motion(after, earlier, nobody, past, GRID).motion).channels_BMRC
            for lag in range(len(LAGS) - 1):
                known = solid & (channels[:, 4 * lag + 2] > 0)
                values.append(3 * channels[:, 4 * lag][known])
    still_m, abrupt_m = torch.cat(still).abs(), torch.cat(abrupt).abs()
    assert len(still_m) > 300
    assert still_m.median() < 0.2 and (still_m < 0.6).float().mean() > 0.85
    assert abrupt_m.median() > 1.0


def test_where_nothing_was_pasted_the_past_stays_to_the_bit(tmp_path):
    views, pasts, _ = seen(tmp_path / "drive", WALLS, straight(7.0), RIGS["plain"])
    for found, before in zip(with_pasted(pasts, views, views, GRID, generator()), pasts, strict=True):
        for name, value in vars(before).items():
            same = getattr(found, name)
            assert same == value if name == "lag" else torch.equal(same, value)


def test_the_same_seed_gives_the_same_past(tmp_path):
    before, without, _ = seen(tmp_path / "without", WALLS, straight(7.0), RIGS["plain"])
    after, _, _ = seen(tmp_path / "true", (*WALLS, PASTED), straight(7.0), RIGS["plain"])
    one, again, other = (with_pasted(without, before, after, GRID, generator(seed)) for seed in (1, 1, 2))
    for a, b, c in zip(one, again, other, strict=True):
        assert torch.equal(a.range_m_BRC, b.range_m_BRC) and torch.equal(a.image_B3hw, b.image_B3hw)
        assert not torch.equal(a.range_m_BRC, c.range_m_BRC)
