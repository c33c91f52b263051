"""Scores of a drive by a detector with a short past: nothing that comes later changes them."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from lib.common.labels import CAR, WALL
from lib.common.ticks import HISTORY_TICKS
from lib.geometry.frame import Lidar
from lib.inference.frame_scores import frame_scores
from lib.inference.predict_params import FrameScore
from lib.inference.scores import also_without_image, scores_of
from lib.inference.shard_scoring import Scoring, predictions_of, score_shard
from lib.loading.shard_windows import ShardWindows
from lib.model.detector import DetectorConfig, Logits, build_detector
from lib.shards.tracks import read_tracks, write_tracks
from lib.tracking.shard_tracks import tracks_of
from lib.tracking.track_params import TrackParams
from lib.views.range_view import Motion, make_views
from tests.all_params import all_params
from tests.present import present
from tests.views.moving_street import Box, Rig, Street, driving, straight, street_shard
from tests.views.streets import GRID, flat_street

CPU = torch.device("cpu")
WINDOW, FRAMES, CUT, BATCH = (0, 2, 5), 12, 8, 4
LIDAR = Lidar(32, 8.0, -16.0, 100.0)
WAY = driving(7.0, -2.0)
STREET = Street(
    (
        Box((12.0, -0.9, 0.3), (16.0, 0.9, 1.7), CAR, (220, 40, 40), WAY),
        Box((4.0, 5.0, 0.0), (60.0, 6.0, 4.0), WALL),
    )
)
PREDICT = all_params().predict.model_copy(update={"batch_size": BATCH})
TRACK = TrackParams(seconds=1.0, usual_acceleration_mps2=3.0, lane_half_width_m=1.2, max_range_m=60.0)


def scoring(fusion="concat", params=PREDICT):
    torch.manual_seed(0)
    config = DetectorConfig(fusion, 4, 4, 8, 16, 128, 8.0, -16.0, window=WINDOW)
    detector = build_detector(config).eval()
    scorer = also_without_image(detector, config.fuses, params)
    return Scoring(scorer, config.grid(), params, CPU, "float32")


def drive(path, ticks, street=STREET):
    """A shard at these ticks, and its windows with the tracks of the real tracker, by way of their file."""
    path.mkdir()
    shard = street_shard(
        path / "Scenario_1.h5", street, straight(8.0), Rig((LIDAR,)), list(ticks), 0.03, max_points=16_384
    )
    write_tracks(path / "tracks.h5", tracks_of(shard, TRACK))
    return shard, [ShardWindows(shard, WINDOW, read_tracks(path / "tracks.h5"))]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return drive(tmp_path_factory.mktemp("drives") / "whole", range(FRAMES))


def test_later_frames_change_no_bit(whole, tmp_path):
    """Scored in batches of four, of which the cut drive has two whole ones."""
    shard, windows = whole
    cut, cut_windows = drive(tmp_path / "cut", range(CUT))
    assert np.array_equal(cut.points[CUT - 1], shard.points[CUT - 1]) and len(cut) == CUT
    assert len(present(windows[0].tracks).points(CUT - 1)) > 20
    scores, before = score_shard(scoring(), shard, windows), score_shard(scoring(), cut, cut_windows)
    for found, expected in zip(vars(before).values(), vars(scores).values(), strict=True):
        assert torch.equal(found, expected[:CUT]) and expected.isfinite().all()


def test_another_future_changes_no_bit_and_another_past_does(whole, tmp_path):
    """The vehicle ahead jumps away, which it does from one frame on; and the same frame without what came before it."""

    def jumping(time_s):
        return WAY(time_s) + (4.0 if time_s > (CUT - 1 - HISTORY_TICKS) / 10 + 0.01 else 0.0)

    shard, windows = whole
    car, *others = STREET.boxes
    other, other_windows = drive(tmp_path / "other", range(FRAMES), Street((replace(car, way=jumping), *others)))
    scores, found = score_shard(scoring(), shard, windows), score_shard(scoring(), other, other_windows)
    for a, b in zip(vars(scores).values(), vars(found).values(), strict=True):
        assert torch.equal(a[:CUT], b[:CUT]) and not torch.equal(a[CUT:], b[CUT:])
    late, late_windows = drive(tmp_path / "late", [FRAMES - 1])
    assert np.array_equal(late.points[0], shard.points[FRAMES - 1])
    alone = score_shard(scoring(), late, late_windows)
    assert not torch.allclose(alone.point_BP[0], scores.point_BP[-1], atol=1e-3)


def test_scores_do_not_depend_on_the_batch(whole):
    shard, windows = whole
    params = PREDICT.model_copy(update={"batch_size": 5})
    one, other = score_shard(scoring(), shard, windows), score_shard(scoring(params=params), shard, windows)
    for a, b in zip(vars(one).values(), vars(other).values(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("blackout", ["image", "lidar"])
def test_with_a_sensor_lost_scores_are_finite(whole, blackout):
    shard, windows = whole
    params = PREDICT.model_copy(update={"blackout": blackout})
    predictions = predictions_of(scoring(params=params), shard, "", windows)
    for scores in (predictions.point_score, predictions.pixel_score, predictions.frame_score):
        assert np.isfinite(scores).all()


@pytest.mark.parametrize("fusion", ["image", "lidar", "cross_attention"])
def test_all_variants_score_a_drive_without_tracks(whole, fusion):
    """As a shard of single frames has none: no vehicle is ahead, and the frame has a score all the same."""
    shard, windows = whole
    scores = score_shard(scoring(fusion), shard, [replace(windows[0], tracks=None)])
    assert all(values.isfinite().all() for values in vars(scores).values())


def with_lead(cells_BRC):
    views, _ = make_views(flat_street(2), GRID)
    none = torch.zeros(2, 1, 1, 1)
    motion = Motion(none, cells_BRC(views), torch.zeros(2, 11), none, torch.ones(2, 1, dtype=torch.bool))
    return replace(views, motion=motion)


def logits(cell_BRC, lead_B):
    none = cell_BRC.new_empty(0)
    return Logits(cell_BRC, none, torch.full((len(cell_BRC), 8, 12), -3.0), none, torch.tensor(lead_B))


@pytest.mark.parametrize("how", get_args(FrameScore))
def test_the_odds_of_the_vehicle_ahead_are_added_to_the_frames(how):
    """In the other frame none is ahead."""
    views, _ = make_views(flat_street(2), GRID)
    params = all_params().predict.model_copy(update={"frame_score": how, "vehicle_ahead_shift": 2.0})
    cell_BRC = torch.full_like(views.range_m_BRC, -3.0)
    for lead in (4.0, -5.0, -20.0):
        found = frame_scores(logits(cell_BRC, [lead, -torch.inf]), views, params).tolist()
        assert found == pytest.approx([np.log(np.exp(-3.0) + np.exp(lead + 2.0)), -3.0])


def test_the_odds_of_the_vehicle_ahead_are_added_to_those_of_its_points():
    def four(views):
        cells = torch.zeros_like(views.range_m_BRC, dtype=torch.bool)
        cells[0, 20, 38:42] = True
        return cells

    views = with_lead(four)
    cell_BP = torch.tensor([[20 * GRID.visible_columns + 38, 20 * GRID.visible_columns + 37, -1]]).expand(2, -1)
    params = all_params().predict.model_copy(update={"vehicle_ahead_shift": 2.0})

    def scored(lead):
        found = scores_of(logits(torch.full_like(views.range_m_BRC, -3.0), [lead, -torch.inf]), views, cell_BP, params)
        return found.point_BP.tolist()

    for lead in (4.0, -5.0):
        here, other = scored(lead)
        assert here == pytest.approx([np.log(np.exp(-3.0) + np.exp(lead + 2.0)), -3.0, 0.0])
        assert other == [-3.0, -3.0, 0.0]
