"""Drives without files: they are recorded, judged and forgotten, one after another.

So hundreds of drives and an hour of normal driving can be judged where their files would take hundreds of gigabytes.
"""

import copy
import time
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.braking_frames import Models, detector_scores, drive_frames
from lib.common.ticks import TICKS_PER_SECOND
from lib.evaluation.braking import DriveScores
from lib.evaluation.braking_shortcuts import ego_deceleration_mps2, middle_of_drive, vehicle_ahead
from lib.geometry.frame import Frame, ScenarioType
from lib.geometry.rigid import Matrix
from lib.simulator.driving.drive_plan import Ego
from lib.simulator.driving.drive_scene import PlannedDrive, plan_drive
from lib.simulator.driving.trajectories import MARGIN_TICKS
from lib.simulator.scenario_plan import ScenarioPlan
from lib.simulator.simulate_params import SimulateParams
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


def follow_drive(
    params: SimulateParams, track: TrackParams, models: Models | None, plan: ScenarioPlan
) -> FollowedDrive:
    """Simulate a drive and judge it by the tracker, by detectors, and by what gives the answer away.

    Without models, no image is rendered.
    """
    planned, tracker = plan_drive(plan, params), LeadTracker(track)
    onset, frames = planned.plan.onset_tick, params.frames_per_scenario
    before: LeadTracker | None = None
    tracked, near, seen, used_s = list[float](), list[float](), list[Frame](), 0.0
    for index, (frame, cloud_m) in enumerate(drive_frames(params, plan, range(frames), models is not None)):
        if index == onset:
            before = copy.deepcopy(tracker)
        start_s = time.process_time()
        tracked.append(tracker.update(index / TICKS_PER_SECOND, cloud_m, _pose(frame)).score)
        used_s += time.process_time() - start_s
        near.append(_nearness(cloud_m))
        seen.append(frame)
    found = _Found(tracked, near, seen, {} if models is None else detector_scores(models, track, seen, 0))
    twin = None
    if before is not None and onset is not None:
        twin = _twin(params, track, models, plan, before, onset, found)
    rows = slice(MARGIN_TICKS, MARGIN_TICKS + frames)
    lead, ego = planned.lane.lead, planned.lane.ego
    length_m = 2 * max(float(piece.mesh.vertices_m[:, 0].max()) for piece in planned.lead)
    return FollowedDrive(
        planned.plan.ego,
        _scores(plan, planned, found),
        twin,
        (lead.way_m - ego.way_m)[rows] - length_m / 2,
        (lead.speed_mps - ego.speed_mps)[rows],
        1000 * used_s / frames,
    )


@dataclass(frozen=True, eq=False)
class _Found:
    """Scores of the tracker and of nearness, the frames, and the detectors' scores, by their names."""

    tracked: list[float]
    near: list[float]
    frames: list[Frame]
    detectors: dict[str, Values]


def _twin(
    params: SimulateParams,
    track: TrackParams,
    models: Models | None,
    plan: ScenarioPlan,
    tracker: LeadTracker,
    onset: int,
    original: _Found,
) -> DriveScores:
    """The twin from its onset on; until then it is the original."""
    params = params.model_copy(update={"ego_reacts": False})
    tracked, near, seen = original.tracked[:onset], original.near[:onset], original.frames[:onset]
    last = min(onset + TWIN_TICKS, params.frames_per_scenario)
    for frame, cloud_m in drive_frames(params, plan, range(onset, last), models is not None):
        tracked.append(tracker.update(len(seen) / TICKS_PER_SECOND, cloud_m, _pose(frame)).score)
        near.append(_nearness(cloud_m))
        seen.append(frame)
    after = {} if models is None else detector_scores(models, track, seen, onset)
    detectors = {name: np.concatenate([original.detectors[name][:onset], scores]) for name, scores in after.items()}
    return _scores(plan, plan_drive(plan, params), _Found(tracked, near, seen, detectors))


def _pose(frame: Frame) -> Matrix:
    assert frame.world_SE3_ego is not None
    return frame.world_SE3_ego


def _scores(plan: ScenarioPlan, planned: PlannedDrive, found: _Found) -> DriveScores:
    frames = len(found.tracked)
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
            **found.detectors,
            "tracker": np.array(found.tracked),
            "middle_of_drive": middle_of_drive(total)[:frames],
            "nearness": np.array(found.near),
            "ego_deceleration": ego_deceleration_mps2(np.array(list(map(_pose, found.frames))), np.arange(frames)),
            "pedal": pedals[:, 1] - pedals[:, 0],
        },
    )


def _nearness(cloud_m: Values) -> float:
    range_m, _ = vehicle_ahead(cloud_m[:, :3])
    return -100.0 if range_m is None else -range_m
