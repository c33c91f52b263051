"""Drives without files: their clouds are cast, followed by the tracker and forgotten, one after another.

So hundreds of drives and an hour of normal driving can be judged where their files would take hundreds of gigabytes.
"""

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.ticks import TICKS_PER_SECOND
from lib.evaluation.braking import DriveScores
from lib.evaluation.braking_shortcuts import ego_deceleration_mps2, middle_of_drive, vehicle_ahead
from lib.geometry.frame import ScenarioType
from lib.geometry.rigid import Matrix, apply
from lib.simulator.driving.drive_plan import Ego
from lib.simulator.driving.drive_scene import PlannedDrive, plan_drive
from lib.simulator.driving.trajectories import MARGIN_TICKS
from lib.simulator.mounting import extrinsics, sensor_set
from lib.simulator.scenario_plan import ScenarioPlan
from lib.simulator.scene_builder import build_scene
from lib.simulator.sensors import sense_lidar
from lib.simulator.simulate_params import SimulateParams
from lib.simulator.world import SceneWorlds, world_SE3_ego
from lib.tracking.track_params import TrackParams
from lib.tracking.tracker import LeadTracker

Values = npt.NDArray[np.float64]
TWIN_TICKS: Final = 12
"""Frames of a twin from its label on: what the onset is judged by. Before, it is the original."""


@dataclass(frozen=True, eq=False)
class FollowedDrive:
    """A drive's scores, and those of its twin in which the ego does not react (None in normality); the ego's driver;
    the truth of the lead: range_m of its rear from the LiDAR and its speed against the ego (T,).
    tracker_ms: what the tracker takes for a cloud, of the processor's time.
    """

    ego: Ego
    scores: DriveScores
    twin: DriveScores | None
    range_m: Values
    closing_mps: Values
    tracker_ms: float


def follow_drive(params: SimulateParams, track: TrackParams, plan: ScenarioPlan) -> FollowedDrive:
    """Simulate the LiDAR of a drive and judge it by the tracker and by what gives the answer away."""
    planned, tracker = plan_drive(plan, params), LeadTracker(track)
    onset, frames = planned.plan.onset_tick, params.frames_per_scenario
    before: LeadTracker | None = None
    tracked, near, poses, used_s = list[float](), list[float](), list[Matrix](), 0.0
    for index, (cloud_m, pose) in enumerate(_clouds(params, plan, range(frames))):
        if index == onset:
            before = copy.deepcopy(tracker)
        start_s = time.process_time()
        tracked.append(tracker.update(index / TICKS_PER_SECOND, cloud_m, pose).score)
        used_s += time.process_time() - start_s
        near.append(_nearness(cloud_m))
        poses.append(pose)
    scores = _scores(plan, planned, tracked, near, poses)
    twin = None
    if before is not None and onset is not None:
        twin = _twin(params, plan, before, onset, tracked, near, poses)
    rows = slice(MARGIN_TICKS, MARGIN_TICKS + frames)
    lead, ego = planned.lane.lead, planned.lane.ego
    length_m = 2 * max(float(piece.mesh.vertices_m[:, 0].max()) for piece in planned.lead)
    return FollowedDrive(
        planned.plan.ego,
        scores,
        twin,
        (lead.way_m - ego.way_m)[rows] - length_m / 2,
        (lead.speed_mps - ego.speed_mps)[rows],
        1000 * used_s / frames,
    )


def _twin(
    params: SimulateParams,
    plan: ScenarioPlan,
    tracker: LeadTracker,
    onset: int,
    tracked: list[float],
    near: list[float],
    poses: list[Matrix],
) -> DriveScores:
    """The twin from its onset on; until then it is the original."""
    params = params.model_copy(update={"ego_reacts": False})
    tracked, near, poses = tracked[:onset], near[:onset], poses[:onset]
    last = min(onset + TWIN_TICKS, params.frames_per_scenario)
    for index, (cloud_m, pose) in zip(range(onset, last), _clouds(params, plan, range(onset, last)), strict=True):
        tracked.append(tracker.update(index / TICKS_PER_SECOND, cloud_m, pose).score)
        near.append(_nearness(cloud_m))
        poses.append(pose)
    return _scores(plan, plan_drive(plan, params), tracked, near, poses)


def _scores(
    plan: ScenarioPlan, planned: PlannedDrive, tracked: list[float], near: list[float], poses: list[Matrix]
) -> DriveScores:
    frames = len(tracked)
    time_s = np.arange(frames) / TICKS_PER_SECOND
    onset = planned.plan.onset_tick
    labelled = np.zeros(frames, dtype=bool)
    if onset is not None:
        labelled[onset : onset + 31] = True
    pedals = planned.lane.pedals[MARGIN_TICKS : MARGIN_TICKS + frames]
    touching = np.logical_or.accumulate(planned.lane.touching[MARGIN_TICKS : MARGIN_TICKS + frames])
    total = len(planned.lane.pedals) - 2 * MARGIN_TICKS
    return DriveScores(
        plan.name,
        ScenarioType.NORMALITY if onset is None else ScenarioType.DYNAMIC,
        time_s,
        labelled,
        touching,
        {
            "tracker": np.array(tracked),
            "middle_of_drive": middle_of_drive(total)[:frames],
            "nearness": np.array(near),
            "ego_deceleration": ego_deceleration_mps2(np.array(poses), np.arange(frames)),
            "pedal": pedals[:, 1] - pedals[:, 0],
        },
    )


def _nearness(cloud_m: Values) -> float:
    range_m, _ = vehicle_ahead(cloud_m[:, :3])
    return -100.0 if range_m is None else -range_m


def _clouds(params: SimulateParams, plan: ScenarioPlan, frames: range) -> Iterator[tuple[Values, Matrix]]:
    """Clouds (N, 4) [m, vehicle frame], intensity, and poses of the ego (4, 4).

    Of the clouds, the half ahead: neither the tracker nor the others look behind the ego.
    """
    scene, sensors = build_scene(plan, params), sensor_set(params)
    worlds, vehicle_SE3_lidar = SceneWorlds(scene), extrinsics(sensors.lidars[0])
    for index in frames:
        time_s = index / TICKS_PER_SECOND
        pose = world_SE3_ego(scene, time_s)
        _, rng = np.random.default_rng([params.seed, 11, plan.index, index]).spawn(2)
        world = worlds.at(time_s)
        recording = sense_lidar(world, sensors.lidar_args, pose @ vehicle_SE3_lidar, TICKS_PER_SECOND, rng, True)
        cloud_m = recording.lidar.astype(np.float64)
        cloud_m[:, :3] = apply(vehicle_SE3_lidar, cloud_m[:, :3])
        yield cloud_m, pose
