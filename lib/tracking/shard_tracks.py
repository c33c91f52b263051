"""Tracks of a shard: the vehicle ahead in each of its frames."""

from typing import Final

import numpy as np

from lib.common.errors import DataError
from lib.geometry.frame import ScenarioType
from lib.geometry.rigid import Matrix, apply, vehicle_SE3_sensor
from lib.shards.sequences import NO_FRAME, TICKS_PER_SECOND, is_sequence, ticks_of
from lib.shards.shard_reader import Shard
from lib.shards.tracks import Tracks
from lib.tracking.track_params import TrackParams
from lib.tracking.tracker import NO_LEAD, LeadState, LeadTracker

_LEAST_WITH_POSE: Final = 0.5


def is_tracked(shard: Shard) -> bool:
    """Whether the vehicle ahead is followed in a shard: a drive at AnoVox's rate, normal or with a braking lead."""
    return shard.scenario_type in (ScenarioType.DYNAMIC, ScenarioType.NORMALITY) and is_sequence(shard)


def tracks_of(shard: Shard, params: TrackParams) -> Tracks:
    """The vehicle ahead in a shard's frames, each judged by itself and those at earlier ticks.

    Frames off the grid of ticks and frames without a pose are not judged; a tick's second frame takes over what was
    found in its first one, without points. Raises DataError where most frames have no pose.
    """
    ticks = ticks_of(shard)
    assert ticks is not None, "is_tracked says which shards have times"
    posed = np.array([bool(np.isfinite(pose).all()) for pose in shard.world_SE3_ego])
    if posed.mean() < _LEAST_WITH_POSE:
        raise DataError(
            f"{shard.path}: {len(posed) - posed.sum()} of {len(posed)} frames of {shard.scenario} have no pose, so the "
            "motion of the vehicle ahead cannot be told from the ego's; add the ACTION files to data.root, or set "
            "preprocess.poses=odometry"
        )
    tracker, place = LeadTracker(params), _points_SE3(shard)
    states = [NO_LEAD] * len(shard)
    last_tick, last_index = NO_FRAME, NO_FRAME
    for index in np.argsort(ticks, kind="stable").tolist():
        tick = int(ticks[index])
        if tick == NO_FRAME or not posed[index]:
            continue
        if tick == last_tick:
            states[index] = _without_points(states[last_index])
            continue
        points_m = apply(place, shard.points[index, : shard.num_points[index]][:, :3])
        states[index] = tracker.update(tick / TICKS_PER_SECOND, points_m, shard.world_SE3_ego[index])
        last_tick, last_index = tick, index
    return _tracks(shard, states, shard.lidars[0].location[0])


def _points_SE3(shard: Shard) -> Matrix:
    """Transform (4, 4) of a shard's points to the vehicle's frame; merged clouds are in it already."""
    lidar = shard.lidars[0]
    return vehicle_SE3_sensor(lidar.location, lidar.rotation) if len(shard.lidars) == 1 else np.eye(4)


def _without_points(state: LeadState) -> LeadState:
    return LeadState(state.score, state.range_m, state.speed_mps, state.acceleration_mps2, NO_LEAD.rows)


def _tracks(shard: Shard, states: list[LeadState], lidar_x_m: float) -> Tracks:
    counts = [len(state.rows) for state in states]
    return Tracks(
        scenario=shard.scenario,
        shard_fingerprint=shard.fingerprint,
        frame_id=np.array(shard.frame_id),
        frame_score=np.array([state.score for state in states], dtype=np.float16),
        range_m=np.array([state.range_m - lidar_x_m for state in states], dtype=np.float32),
        speed_mps=np.array([state.speed_mps for state in states], dtype=np.float32),
        acceleration_mps2=np.array([state.acceleration_mps2 for state in states], dtype=np.float32),
        points_flat=np.concatenate([state.rows for state in states]),
        point_offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
    )
