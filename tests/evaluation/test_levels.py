import numpy as np
import pytest

from lib.common.labels import is_anomaly
from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.levels import LEVELS, score_scenario
from lib.evaluation.truth import frame_truth, groups, light_group, weather_group
from lib.geometry.frame import Anomaly
from lib.geometry.voxels import point_keys, voxel_keys
from lib.shards.shard_reader import read_shard
from tests.scored_sample import ANIMAL, Ball, made_up_scores, write_scenario

PARAMS = EvaluateParams(
    seed=1,
    min_anomaly_image_fraction=0.0012,
    min_anomaly_points=10,
    bootstrap_resamples=100,
    voxel_score="centerpoint",
    hold_s=3.0,
)
NEAR, BEHIND = Ball(8.0, 0.0, 0.5), Ball(-8.0, 0.0, 0.5)
AGENT_CAR = 114


@pytest.fixture
def scored(tmp_path):
    """Near ball, ball behind the camera, agent (ignored), nothing; all of one scenario."""
    balls = [NEAR, BEHIND, Ball(8.0, 0.0, 0.5, class_id=AGENT_CAR), None]
    path = write_scenario(tmp_path, "Scenario_x", balls, Anomaly("small", "ball", "both"), "SOFT_RAIN_SUNSET")
    shard, predictions = read_shard(path), made_up_scores(path)
    return shard, predictions, score_scenario(shard, predictions, PARAMS)


def test_levels_hold_what_their_names_say(scored):
    shard, predictions, scores = scored
    assert tuple(scores.levels) == LEVELS
    used = [np.arange(int(n)) for n in shard.num_points]
    x, y, z = np.moveaxis(shard.points[..., :3], -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = 36 - 36 * y / x, 24 - 36 * z / x
        seen = (x > 0) & (u >= 0) & (u < 72) & (v >= 0) & (v < 48)
    for name, held in (("point", seen), ("point_all", np.ones_like(seen))):
        level = scores.levels[name]
        positives, negatives = [], []
        for i, rows in enumerate(used):
            rows = rows[held[i, rows] & (shard.point_class[i, rows] != AGENT_CAR)]
            anomalous = shard.point_class[i, rows] == ANIMAL
            positives.append(predictions.point_score[i, rows[anomalous]])
            negatives.append(predictions.point_score[i, rows[~anomalous]])
        np.testing.assert_array_equal(level.positive, np.concatenate(positives))
        np.testing.assert_array_equal(level.negative, np.concatenate(negatives))
        np.testing.assert_array_equal(level.positive_frame, np.repeat(np.arange(4), [len(p) for p in positives]))
    assert len(scores.levels["point"].positive) == 100 and len(scores.levels["point_all"].positive) == 200
    pixel = scores.levels["pixel"]
    assert len(pixel.positive) == (np.asarray(shard.pixel_class) == ANIMAL).sum()
    assert len(pixel.positive) + len(pixel.negative) == (np.asarray(shard.pixel_class) != AGENT_CAR).sum()


def test_a_frame_is_positive_by_what_the_view_holds_not_by_its_anomaly_file(scored):
    _, predictions, scores = scored
    assert [t.state(PARAMS) for t in scores.truth] == ["positive", "negative", "negative", "negative"]
    assert [t.anywhere for t in scores.truth] == [True, True, False, False]
    np.testing.assert_array_equal(scores.levels["frame"].positive, predictions.frame_score[:1])
    np.testing.assert_array_equal(scores.levels["frame"].negative, predictions.frame_score[1:])


def test_too_little_in_view_is_left_out_of_frame_and_positive_in_frame_any(scored, tmp_path):
    shard, predictions, _ = scored
    strict = PARAMS.model_copy(update={"min_anomaly_image_fraction": 0.5, "min_anomaly_points": 101})
    scores = score_scenario(shard, predictions, strict)
    assert scores.truth[0].state(strict) == "left_out"
    np.testing.assert_array_equal(scores.levels["frame"].positive, [])
    np.testing.assert_array_equal(scores.levels["frame"].negative, predictions.frame_score[1:])
    np.testing.assert_array_equal(scores.levels["frame_any"].positive, predictions.frame_score[:1])
    assert scores.levels["frame_any"].positive_frame.tolist() == [0]
    by_points = PARAMS.model_copy(update={"min_anomaly_image_fraction": 0.5, "min_anomaly_points": 100})
    assert scores.truth[0].state(by_points) == "positive"


def test_voxels_are_shared_scored_at_their_corner_and_restricted_to_the_view(scored):
    shard, predictions, scores = scored
    voxels = scores.voxels[0]
    count = int(shard.num_points[0])
    points = shard.points[0, :count]
    keys = point_keys(points)
    truth = shard.voxels(0)
    assert voxels.true_voxels == len(truth) == len(voxels.score)  # no noise here: every true voxel holds a point
    assert voxels.true_anomalies == voxels.is_anomaly.sum() == is_anomaly(truth[:, 3].astype(np.uint8)).sum() > 0
    view = (points[:, 0] > 0) & (np.abs(points[:, 1]) < points[:, 0]) & (np.abs(points[:, 2]) < points[:, 0] * 24 / 36)
    assert voxels.in_view.sum() == len(set(keys[view].tolist())) < len(voxels.score)
    assert set(voxels.score.tolist()) <= set(predictions.point_score[0, :count].tolist())
    agent = scores.voxels[2]
    assert agent.true_anomalies == 0 and agent.true_voxels < len(shard.voxels(2))


def test_groups_of_a_frame(scored):
    scores = scored[2]
    assert scores.anomaly_size == "Small"
    assert scores.groups[0] == {
        "distance": "8-14 m",
        "kind": "both",
        "size": "Small",
        "class": "animal",
        "weather": "rain",
        "light": "day",
        "visible image share": "0.25-0.5 %",
    }
    assert scores.truth[0].distance_m == pytest.approx(np.hypot(8.0, 1.3), abs=0.2)
    assert "distance" not in scores.groups[1] and "class" not in scores.groups[1]
    assert groups(scores.truth[0], None, "") == {
        "distance": "8-14 m",
        "class": "animal",
        "visible image share": "0.25-0.5 %",
    }


def test_distance_by_depth_where_no_point_falls_on_the_anomaly(tmp_path):
    shard = read_shard(write_scenario(tmp_path, "Scenario_x", [NEAR], Anomaly()))
    points = np.full((3, 4), 30.0, dtype=np.float32)
    classes = np.array([1, ANIMAL, 1], dtype=np.uint8)
    images = shard.pixel_class[0], shard.depth_m[0], shard.camera
    by_depth = frame_truth(points, classes, np.zeros(3, dtype=bool), *images)
    assert by_depth.points == 0 and by_depth.pixels > 0
    assert by_depth.distance_m == pytest.approx(np.hypot(8.0, 1.3), abs=0.2)
    by_points = frame_truth(points, classes, np.ones(3, dtype=bool), *images)
    assert by_points.points == 1 and by_points.distance_m == pytest.approx(np.hypot(30.0, np.hypot(30.0, 30.0)))


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("CLEAR_NOON", ("clear", "day")), ("WET_SUNSET", ("clear", "day")), ("HARD_RAIN_NOON", ("rain", "day")),
        ("MID_RAIN_NIGHT", ("rain", "night")), ("DENSE_FOG_NOON", ("fog", "day")), ("DUST_STORM", ("fog", "day")),
        ("ClearNight", ("clear", "night")), ("FOGGY_SOFT_RAIN_NIGHT", ("fog", "night")),
        ("MID_RAINY_NOON", ("rain", "day")), ("WET_CLOUDYSUNSET", ("clear", "day")),
    ],
)  # fmt: skip
def test_weather_and_light_groups(preset, expected):
    assert (weather_group(preset), light_group(preset)) == expected


@pytest.mark.parametrize(("way", "of_voxel"), [("mean", np.mean), ("median", np.median)])
def test_the_way_from_points_to_voxels_is_a_param(scored, way, of_voxel):
    shard, predictions, centers = scored
    other = score_scenario(shard, predictions, PARAMS.model_copy(update={"voxel_score": way}))
    for i, (voxels, central) in enumerate(zip(other.voxels, centers.voxels, strict=True)):
        count = int(shard.num_points[i])
        keys = point_keys(shard.points[i, :count])
        truth = shard.voxels(i)
        truth = np.sort(voxel_keys(truth[truth[:, 3] != AGENT_CAR]))
        expected = [of_voxel(predictions.point_score[i, :count][keys == key]) for key in truth]
        np.testing.assert_allclose(voxels.score, expected, rtol=1e-5)
        assert (voxels.score != central.score).any()
        np.testing.assert_array_equal(voxels.corner_score, central.score)
        np.testing.assert_array_equal(voxels.in_view, central.in_view)
