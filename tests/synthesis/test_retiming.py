"""A past that was changed looks like the past of a vehicle that truly moved that way: the street is cast both ways."""

from dataclasses import dataclass, fields, replace

import pytest
import torch

from lib.common.labels import CAR, WALL
from lib.common.ticks import HISTORY_TICKS
from lib.geometry.camera import Camera
from lib.geometry.frame import Lidar
from lib.synthesis.families import TRAINING
from lib.synthesis.pasted_windows import pasted_windows
from lib.synthesis.pseudo_anomalies import Mix
from lib.synthesis.retimed_views import retimed, retiming_of
from lib.synthesis.retiming import (
    HARD_MPS2,
    LEAST_BRAKED_S,
    LONGEST_S,
    OTHER_SPEED_MPS,
    POSITIVE_FRACTION,
    USUAL_MPS2,
    Retiming,
)
from lib.synthesis.targets import RETIMED, no_targets
from lib.views.frame_batch import FrameBatch, Past
from lib.views.past_views import Lead, PastView, lead_now, make_past_views
from lib.views.range_view import Views, make_views
from tests.present import present
from tests.views.moving_street import (
    GRID,
    Box,
    Rig,
    Street,
    driving,
    last_frame,
    standing,
    straight,
    street_shard,
    true_tracks,
)

LAGS = (0, 2, 5, 10)
RED = (220, 40, 40)
CAMERA = Camera.from_fov(192, 128, 70.0)
WALLS = (
    Box((6.0, 5.0, 0.0), (60.0, 6.0, 4.0), WALL),
    Box((6.0, -6.0, 0.0), (60.0, -5.0, 4.0), WALL),
    Box((60.0, -6.0, 0.0), (61.0, 6.0, 4.0), WALL),
)
RIGS = {
    "plain": Rig(camera=CAMERA),
    "LiDAR elsewhere": Rig((Lidar(32, 8.0, -16.0, 100.0, (0.6, 0.2, 2.0), (0.0, 0.0, 90.0)),), CAMERA),
    "tilted camera": Rig(camera=CAMERA, location=(0.5, -0.2, 1.6), rotation=(0.0, 3.0, 4.0)),
}


def retiming(**changes):
    """Braking by 8 m/s2 over the last 0.8 s, which is the anomaly."""
    values = {"edited": True, "positive": True, "deceleration_mps2": 8.0, "braked_s": 0.8, "ended_s": 0.0}
    return Retiming(*(torch.tensor([value]) for value in (values | {"faster_mps": 0.0} | changes).values()))


def same(some, others):
    """Whether tensors are equal to the bit; nan equals nan."""
    pairs = zip(some, others, strict=True)
    return all(torch.allclose(a, b, rtol=0, atol=0, equal_nan=a.is_floating_point()) for a, b in pairs)


@dataclass(frozen=True, eq=False)
class Window:
    """The last frame of a drive, as training sees it."""

    batch: FrameBatch
    past: Past
    views: Views
    pasts: list[PastView]
    lead: Lead


def window_of(path, way, poses, rig=None, rear_m=12.0, noise_m=0.0, ticks=(0, 5, 8, 10)):
    car = Box((rear_m, -0.9, 0.3), (rear_m + 4.0, 0.9, 1.7), CAR, RED, way)
    path.mkdir()
    shard = street_shard(path / "Scenario_1.h5", Street((*WALLS, car)), poses, rig, ticks, noise_m)
    batch, past = last_frame(shard, LAGS, true_tracks(shard, ticks, CAR, way))
    views, cell_BP = make_views(batch, GRID)
    return Window(batch, past, views, make_past_views(batch, past, GRID), lead_now(past, views, cell_BP))


def edited(window, how):
    before = no_targets(window.views)
    return retimed(window.views, before, window.pasts, window.lead, window.past, how, GRID)


def retimed_way(way, how):
    """The way that the edited vehicle has come."""

    def changed(time_s):
        return way(time_s) - how.farther_m(torch.tensor([[max(-time_s, 0.0)]])).item()

    return changed


EDITS = {
    "brakes fully": {},
    "braked until it stood": {"ended_s": 0.3, "braked_s": 0.6},
    "accelerates": {"deceleration_mps2": -3.0, "positive": False},
    "slower": {"deceleration_mps2": 0.0, "faster_mps": -2.5, "positive": False},
    "faster": {"deceleration_mps2": 1.0, "faster_mps": 2.5, "positive": False},
}


@pytest.mark.parametrize("rig", RIGS.values(), ids=RIGS)
@pytest.mark.parametrize("changes", EDITS.values(), ids=EDITS)
def test_clouds_images_and_track_are_those_of_a_vehicle_that_moved_so(tmp_path, rig, changes):
    """`way` and the edited one differ in the past alone, so the present frame is the same for both."""
    how = retiming(**changes)
    way = standing if how.ended_s_B > 0 else driving(8.0)
    poses = straight(7.0, 0.05)
    here = window_of(tmp_path / "here", way, poses, rig)
    true = window_of(tmp_path / "true", retimed_way(way, how), poses, rig)
    assert torch.equal(here.views.range_m_BRC, true.views.range_m_BRC)
    pasts, lead, _ = edited(here, how)
    torch.testing.assert_close(lead.places_m_BT, true.lead.places_m_BT, atol=1e-4, rtol=0, equal_nan=True)
    for found, wanted, before in zip(pasts, true.pasts, here.pasts, strict=True):
        shift_m = (how.farther_m(torch.tensor([[found.lag / 10]]))).abs().item()
        # On and around the vehicle, before and after; its rear, as what is behind it stands in the edited one's way.
        around = wanted.lead_BRC | before.lead_BRC
        far = (found.range_m_BRC - wanted.range_m_BRC).abs()
        assert (far[around & wanted.lead_BRC & found.lead_BRC] < 0.15).float().mean() > 0.85
        both, either = (found.lead_BRC & wanted.lead_BRC).sum(), (found.lead_BRC | wanted.lead_BRC).sum()
        assert both > 0.65 * either
        if shift_m > 0.4:  # and not without the change
            assert ((before.range_m_BRC - wanted.range_m_BRC).abs()[wanted.lead_BRC] > 0.3).float().mean() > 0.8
        uncovered = before.lead_BRC & ~found.lead_BRC & (wanted.range_m_BRC > 0)
        assert (uncovered & (found.range_m_BRC == 0)).sum() <= 0.05 * uncovered.sum()
        assert torch.equal(found.range_m_BRC[~around & ~found.lead_BRC], before.range_m_BRC[~around & ~found.lead_BRC])


@pytest.mark.parametrize("rig", RIGS.values(), ids=RIGS)
@pytest.mark.parametrize("changes", [EDITS["brakes fully"], EDITS["slower"]], ids=["brakes fully", "slower"])
def test_the_vehicle_in_the_image_moves_with_that_in_the_cloud(tmp_path, rig, changes):
    how, way, poses = retiming(**changes), driving(8.0), straight(7.0)
    here, true = (
        window_of(tmp_path / name, each, poses, rig) for name, each in (("here", way), ("true", retimed_way(way, how)))
    )
    pasts, _, _ = edited(here, how)

    def red(past):
        return (past.image_B3hw[0, 0] - past.image_B3hw[0, 1]) > 0.35

    for found, wanted, before in zip(pasts, true.pasts, here.pasts, strict=True):
        agreed = (red(found) & red(wanted)).sum() / (red(found) | red(wanted)).sum()
        assert agreed > 0.6
        if found.lag == 10:
            assert agreed > (red(before) & red(wanted)).sum() / (red(before) | red(wanted)).sum() + 0.03
        outside = ~(red(found) | red(before))
        assert ((found.image_B3hw - before.image_B3hw)[0, :, outside].abs() < 0.4).all()
        # Where it was, the street shows: no red is left behind.
        assert (red(found) & ~red(wanted)).sum() <= 0.4 * red(wanted).sum()


def test_the_present_and_the_ego_are_untouched_to_the_bit(tmp_path):
    window = window_of(tmp_path / "drive", driving(8.0), straight(7.0), noise_m=0.05)
    kept = [tensor.clone() for tensor in (*window.batch.tensors(), *vars(window.views).values()) if tensor is not None]
    mix = Mix(1, 1.0, ground_negative_fraction=0.0, transplant_fraction=0.0, retimed_fraction=1.0, fastest_mps=20.0)
    for seed in range(8):
        views, _ = pasted_windows(window.batch, GRID, mix, TRAINING, torch.Generator().manual_seed(seed))
        for field in fields(views):
            if field.name != "motion":
                assert torch.equal(getattr(views, field.name), getattr(window.views, field.name)), field.name
        assert torch.equal(present(views.motion).lead_BRC, window.lead.cells_BRC)
        assert present(views.motion).exists_BL.all()
    how = retiming()
    pasts, lead, _ = edited(window, how)
    for found, before in zip(pasts, window.pasts, strict=True):
        for name in ("past_R_now_B33", "now_t_past_B3", "exists_B", "depth_m_Bhw", "xyz_B3RC"):
            assert torch.equal(getattr(found, name), getattr(before, name))
    assert lead.cells_BRC is window.lead.cells_BRC
    left = [tensor for tensor in (*window.batch.tensors(), *vars(window.views).values()) if tensor is not None]
    assert same(kept, left)


def test_what_is_not_edited_stays_to_the_bit(tmp_path):
    window = window_of(tmp_path / "drive", driving(8.0), straight(7.0), noise_m=0.05)
    pasts, lead, targets = edited(window, retiming(edited=False, positive=False))
    for found, before in zip(pasts, window.pasts, strict=True):
        for name in ("range_m_BRC", "lead_BRC", "image_B3hw"):
            assert torch.equal(getattr(found, name), getattr(before, name))
    torch.testing.assert_close(lead.places_m_BT, window.lead.places_m_BT, atol=0, rtol=0, equal_nan=True)
    assert not targets.cell_BRC.any() and not targets.pixel_BHW.any() and (targets.cell_object_BRC == -1).all()


def test_targets_are_the_cells_and_pixels_of_the_vehicle_in_positives_alone(tmp_path):
    window = window_of(tmp_path / "drive", driving(8.0), straight(7.0))
    _, _, targets = edited(window, retiming())
    assert torch.equal(targets.cell_BRC == 1, window.views.point_class_BRC == CAR)
    assert torch.equal(targets.pixel_BHW == 1, window.views.pixel_class_BHW == CAR)
    assert torch.equal(targets.cell_object_BRC, torch.where(targets.cell_BRC == 1, RETIMED, -1))
    _, _, targets = edited(window, retiming(positive=False))
    assert not targets.cell_BRC.any() and not targets.pixel_BHW.any() and (targets.cell_object_BRC == -1).all()


def test_what_was_pasted_before_keeps_its_target(tmp_path):
    window = window_of(tmp_path / "drive", driving(8.0), straight(7.0))
    before = no_targets(window.views)
    cells = window.lead.cells_BRC.nonzero()[:3]
    before.cell_BRC[tuple(cells.T)] = torch.tensor([1, 1, 255], dtype=torch.uint8)
    before.cell_object_BRC[tuple(cells.T)] = torch.tensor([0, 4, -1])
    how = retiming()
    _, _, targets = retimed(window.views, before, window.pasts, window.lead, window.past, how, GRID)
    assert targets.cell_BRC[tuple(cells.T)].tolist() == [1, 1, 255]
    assert targets.cell_object_BRC[tuple(cells.T)].tolist() == [0, 4, -1]
    assert (targets.cell_object_BRC == RETIMED).sum() == window.lead.cells_BRC.sum() - 3


def drawn(places_m_BT, fraction=1.0, fastest_mps=14.0, seed=0):
    cells = torch.ones(len(places_m_BT), 2, 2, dtype=torch.bool)
    return retiming_of(Lead(cells, places_m_BT), [], fraction, fastest_mps, torch.Generator().manual_seed(seed))


def places(speed_mps, acceleration_mps2=0.0, B=4000):
    ago_s = torch.arange(HISTORY_TICKS + 1) / 10
    return (-speed_mps * ago_s + acceleration_mps2 * ago_s**2 / 2).expand(B, -1)


def test_positives_and_negatives_are_drawn_as_documented():
    how = drawn(places(8.0), 0.7, 30.0)
    edited_B, positive_B = how.edited_B, how.positive_B
    assert edited_B.float().mean() == pytest.approx(0.7, abs=0.05)
    assert positive_B[edited_B].float().mean() == pytest.approx(POSITIVE_FRACTION, abs=0.08)
    assert not (positive_B & ~edited_B).any()
    hard, usual = how.deceleration_mps2_B[positive_B], how.deceleration_mps2_B[edited_B & ~positive_B]
    assert hard.min() >= HARD_MPS2[0] and hard.max() <= HARD_MPS2[1] and hard.std() > 0.8
    assert usual.abs().max() <= USUAL_MPS2 and (usual < -1).any() and (usual > 1).any()
    assert how.braked_s_B.max() <= LONGEST_S and how.braked_s_B[positive_B].min() > LEAST_BRAKED_S
    for of_kind_B in (positive_B, edited_B & ~positive_B):
        faster = how.faster_mps_B[of_kind_B]
        assert faster.abs().max() <= OTHER_SPEED_MPS and 0.15 < (faster != 0).float().mean() < 0.45
    assert not how.ended_s_B.any()


def test_one_that_stands_may_have_come_to_rest_a_while_ago():
    noise_m = 0.02 * torch.randn(4000, HISTORY_TICKS + 1, generator=torch.Generator().manual_seed(1))
    how = drawn(noise_m)
    assert how.positive_B.any() and how.ended_s_B[how.positive_B].max() > 0.5
    assert (how.farther_m(torch.full((4000, 1), 0.05))[(how.ended_s_B > 0.05) & (how.faster_mps_B == 0)] == 0).all()


def test_only_a_vehicle_whose_track_is_known_is_edited():
    unknown = places(8.0).clone()
    unknown[:, 3:] = torch.nan
    assert not drawn(unknown).edited_B.any()
    gone = retiming_of(
        Lead(torch.zeros(8, 2, 2, dtype=torch.bool), places(8.0, B=8)), [], 1.0, 14.0, torch.Generator().manual_seed(0)
    )
    assert not gone.edited_B.any()
    nothing = torch.full((50, HISTORY_TICKS + 1), torch.nan)
    assert not drawn(nothing).edited_B.any()


@pytest.mark.parametrize("speed_mps", [0.0, 1.0, 3.0, 8.0, 13.5])
def test_nobody_drives_backwards_or_faster_than_the_fastest(tmp_path, speed_mps):
    """By the places that the edited track tells, from tick to tick."""
    window = window_of(tmp_path / "drive", driving(speed_mps), straight(7.0), ticks=range(HISTORY_TICKS + 1))
    B, fastest_mps = 600, 14.0
    window = Window(*(each_B(getattr(window, field.name), B) for field in fields(Window)))
    how = retiming_of(window.lead, [], 1.0, fastest_mps, torch.Generator().manual_seed(3))
    _, lead, _ = edited(replace(window, pasts=[]), how)
    speeds = -lead.places_m_BT.diff(dim=1) * 10
    assert speeds.min() > -0.01
    assert speeds.max() < fastest_mps + 0.01
    assert (speeds - speed_mps).abs().amax() > (0.5 if speed_mps else 0.3)


def each_B(part, B):
    """The first frame of a window's part, B times."""
    if isinstance(part, list):
        return []
    if isinstance(part, Lead):
        return Lead(part.cells_BRC.expand(B, -1, -1), part.places_m_BT.expand(B, -1))
    if hasattr(part, "changed"):
        part = replace(part, past=None) if hasattr(part, "past") else part
        return part.changed(lambda tensor: tensor.expand(B, *tensor.shape[1:]))
    made = {f.name: getattr(part, f.name) for f in fields(part) if f.name != "motion"}
    return type(part)(**{name: tensor.expand(B, *tensor.shape[1:]) for name, tensor in made.items()})


def test_another_vehicle_that_was_followed_before_is_left_alone(tmp_path):
    """The track knows no place of it; its points are those of the vehicle ahead of then."""
    window = window_of(tmp_path / "drive", driving(8.0), straight(7.0))
    cut = window.lead.places_m_BT.clone()
    cut[:, 8:] = torch.nan
    pasts, lead, _ = edited(replace(window, lead=replace(window.lead, places_m_BT=cut)), retiming())
    assert torch.equal(pasts[2].range_m_BRC, window.pasts[2].range_m_BRC)
    assert torch.equal(pasts[2].lead_BRC, window.pasts[2].lead_BRC)
    assert not torch.equal(pasts[1].range_m_BRC, window.pasts[1].range_m_BRC)
    assert lead.places_m_BT[:, 8:].isnan().all()


def test_the_same_seed_gives_the_same_past(tmp_path):
    window = window_of(tmp_path / "drive", driving(8.0), straight(7.0), noise_m=0.05)
    mix = Mix(2, 0.2, 0.5, retimed_fraction=1.0, fastest_mps=14.0, lost_lag_fraction=0.3)

    def made(seed):
        views, targets = pasted_windows(window.batch, GRID, mix, TRAINING, torch.Generator().manual_seed(seed))
        return [views.image_B3HW, *vars(present(views.motion)).values(), *vars(targets).values()]

    assert same(made(3), made(3)) and not same(made(3), made(4))


def test_lags_and_tracks_are_lost_in_positives_and_in_negatives(tmp_path):
    """So that what is missing tells nothing."""
    window = window_of(tmp_path / "drive", driving(8.0), straight(7.0), Rig())
    mix = Mix(1, 1.0, 0.0, 0.0, 0.0, retimed_fraction=1.0, fastest_mps=30.0, lost_lag_fraction=0.5)
    many = window.batch.changed(lambda tensor: tensor.expand(48, *tensor.shape[1:]))
    views, targets = pasted_windows(many, GRID, mix, TRAINING, torch.Generator().manual_seed(0))
    known_B = present(views.motion).lead_BRC.flatten(1).any(1)
    assert torch.equal(known_B, present(views.motion).places_m_BT.isfinite().any(1))
    lost_BL = (~torch.cat([present(views.motion).exists_BL, known_B[:, None]], dim=1)).float()
    positive_B = (targets.cell_BRC == 1).flatten(1).any(1)
    assert ((lost_BL.mean(0) - 0.5).abs() < 0.22).all()
    assert 12 < positive_B.sum() < 36
    for of_kind_B in (positive_B, ~positive_B):
        assert ((lost_BL[of_kind_B].mean(0) - 0.5).abs() < 0.4).all()
