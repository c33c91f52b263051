"""Follow the vehicle ahead from cloud to cloud, and say how hard it brakes."""

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.ticks import HISTORY_TICKS, TICKS_PER_SECOND
from lib.geometry.ground_fit import fit_ground
from lib.geometry.rigid import Matrix, apply, invert
from lib.tracking.lead import Cloud, Expected, Rear, beside_path, body_of, nearest_in_path, rear_at
from lib.tracking.rear_braking import (
    TIME_TOLERANCE_S,
    Braking,
    Moment,
    Registered,
    braking,
    places_by_tick,
    register,
)
from lib.tracking.track_params import TrackParams

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int32]

LOWEST_SCORE: Final = -20.0
"""Where nothing is known; also the ends of all scores [m/s^2]."""
_WAY_S: Final = 2.0
"""The way's curvature is read from so much of the past,"""
_LEAST_WAY_M: Final = 2.0
"""and stays as it was while the ego drives less than this in it."""
_REACH_AT_FIRST_M: Final = 15.0
"""How far a vehicle is looked for before the ego has driven, while the way is not known."""
_SHARPEST_1PM: Final = 0.1
_CROP_HALF_WIDTH_M, _CROP_BEYOND_M = 6.0, 14.0
_BLIND_M: Final = 1.5
_MOST_POINTS: Final = 160
"""Of a rear; more say no more."""
_PATIENCE_S: Final = 0.55
"""A vehicle that is not found for longer is lost."""
_LEAST_POINTS: Final = 2
"""Of a rear that is followed."""
_SLACK_MPS: Final = 4.0
"""How much faster or slower than expected a vehicle may have become while it was not found."""
_FIRST_STEP_MPS: Final = 25.0
"""How fast what was seen only once may move against the ego,"""
_FIRST_STEP_BESIDE_M: Final = 0.8
"""and how far to a side."""
_SPEED_WINDOW_S: Final = 0.45
_MIDDLE_GAIN: Final = 0.5
_TURNED_AWAY_M, _TURNED_AWAY_FAR_M, _FAR_M = 2.2, 3.2, 25.0
"""A followed vehicle so far beside the way leaves it; far away, the way is less well known."""
_BESIDE_EACH_OTHER_M: Final = 1.6
"""Two vehicles so far apart to the side are in two lanes: the one in the ego's is ahead."""
_TURNED_AWAY_CLOUDS: Final = 4
_NEARER_M: Final = 1.5
_NEARER_CLOUDS: Final = 2
"""Something so much nearer than the followed vehicle, in so many clouds one after the other, is the vehicle ahead."""
_MOVED_M: Final = 2.0
"""A way long enough to tell the direction by."""


@dataclass(frozen=True, eq=False)
class LeadState:
    """The vehicle ahead in one cloud: nan and no points where none is known.

    score [m/s^2]: how hard it brakes, finite, LOWEST_SCORE where that is not known. range_m: x of its rear in
    the vehicle's frame; speed_mps, acceleration_mps2: over the ground, along the ego's heading. places_m
    (HISTORY_TICKS + 1,) float64 [m]: where its rear was 0, 1, ... ticks ago, along its direction of motion over the
    ground, relative to its present place: 0 for the present, negative for where it came from; nan where that tick's
    place is not known, all of it where fewer than two moments are. rows (M,) int32: its points in the cloud, ascending.
    """

    score: float
    range_m: float
    speed_mps: float
    acceleration_mps2: float
    places_m: Values
    rows: Rows


_UNKNOWN_PLACES: Final = np.full(HISTORY_TICKS + 1, np.nan)
NO_LEAD: Final = LeadState(LOWEST_SCORE, np.nan, np.nan, np.nan, _UNKNOWN_PLACES, np.empty(0, dtype=np.int32))


@dataclass(frozen=True, eq=False)
class _Followed:
    """The followed vehicle when it was last seen: middle of its rear and velocity (2,) [m, m/s, world], its heading."""

    time_s: float
    xy_m: Values
    velocity_mps: Values
    yaw_rad: float

    def at(self, time_s: float, ego_SE3_world: Matrix, world_SE3_ego: Matrix) -> Expected:
        """Where it is expected, in the vehicle's frame."""
        xy_m = self.xy_m + self.velocity_mps * (time_s - self.time_s)
        x, y, _ = apply(ego_SE3_world, np.array([*xy_m, world_SE3_ego[2, 3]])).tolist()
        ahead, left, _ = (ego_SE3_world[:3, :3] @ [np.cos(self.yaw_rad), np.sin(self.yaw_rad), 0.0]).tolist()
        return Expected(x, y, float(np.arctan2(left, ahead)))


class LeadTracker:
    """The vehicle ahead, cloud by cloud: `update` judges each by itself and those before it.

    Another vehicle in its place begins anew: what one did says nothing about the other.
    """

    def __init__(self, params: TrackParams) -> None:
        self._params = params
        self._poses: deque[tuple[float, Matrix]] = deque()
        self._moments: deque[Moment] = deque()
        self._followed: _Followed | None = None
        self._curvature_1pm, self._reach_m = 0.0, min(_REACH_AT_FIRST_M, params.max_range_m)
        self._turned_away = self._nearer = 0

    def update(self, time_s: float, points_m: npt.NDArray[np.floating], world_SE3_ego: Matrix) -> LeadState:
        """The vehicle ahead in the next cloud, (N, 3 or more) float [m, vehicle frame], at the pose (4, 4) of the ego.

        Times [s] must rise from call to call; a gap is no harm.
        """
        assert not self._poses or time_s > self._poses[-1][0], "times rise"
        self._poses.append((time_s, world_SE3_ego))
        while self._poses[0][0] < time_s - _WAY_S - TIME_TOLERANCE_S:
            self._poses.popleft()
        curvature_1pm = _curvature([pose for _, pose in self._poses])
        if curvature_1pm is not None:
            self._curvature_1pm, self._reach_m = curvature_1pm, self._params.max_range_m
        cloud, rows = self._cropped(points_m)
        found = self._found(time_s, cloud, world_SE3_ego)
        if found is None:
            return NO_LEAD
        expected, rear = found
        middle = _middle(expected, rear)
        result, places_m = self._judged(time_s, cloud, middle, rear, world_SE3_ego)
        body = rows[body_of(cloud, middle)].astype(np.int32)
        if result is None:
            return LeadState(LOWEST_SCORE, middle.x_m, np.nan, np.nan, places_m, body)
        along = float(np.cos(middle.yaw_rad))
        score = float(np.clip(result.score, LOWEST_SCORE, -LOWEST_SCORE))
        speed_mps, acceleration_mps2 = result.speed_mps * along, result.acceleration_mps2 * along
        return LeadState(score, middle.x_m, speed_mps, acceleration_mps2, places_m, body)

    def _cropped(self, points_m: npt.NDArray[np.floating]) -> tuple[Cloud, npt.NDArray[np.intp]]:
        """The cloud near the ego's way, and the rows of its points."""
        x = points_m[:, 0]
        ahead = np.flatnonzero((x > _BLIND_M) & (x < self._params.max_range_m + _CROP_BEYOND_M))
        place_m = np.asarray(points_m[ahead, :3], dtype=np.float64)
        ground = fit_ground(place_m, self._params.max_range_m)
        near = np.abs(beside_path(place_m, self._curvature_1pm)) < _CROP_HALF_WIDTH_M
        place_m = place_m[near]
        return Cloud(place_m, ground.height_above(place_m)), ahead[near]

    def _found(self, time_s: float, cloud: Cloud, world_SE3_ego: Matrix) -> tuple[Expected, Rear] | None:
        """The rear of the followed vehicle, or of the nearest in the way; and where it was expected."""
        nearest = nearest_in_path(cloud, self._curvature_1pm, self._params.lane_half_width_m, self._reach_m)
        if self._followed is not None and time_s - self._followed.time_s > _PATIENCE_S:
            self._forget()
        if self._followed is not None:
            expected = self._followed.at(time_s, invert(world_SE3_ego), world_SE3_ego)
            if len(self._moments) == 1:  # Its speed is not known yet.
                expected = _same(nearest, expected, time_s - self._followed.time_s)
            if not self._has_left(expected, nearest):
                unseen_s = time_s - self._followed.time_s
                rear = rear_at(cloud, expected, _LEAST_POINTS, _SLACK_MPS * max(0.0, unseen_s - 1 / TICKS_PER_SECOND))
                return None if rear is None else (expected, rear)
            self._forget()
        rear = None if nearest is None else rear_at(cloud, nearest)
        return None if nearest is None or rear is None else (nearest, rear)

    def _has_left(self, expected: Expected, nearest: Expected | None) -> bool:
        """Whether the followed vehicle is the vehicle ahead no more."""
        beside_m = abs(float(beside_path(np.array([[expected.x_m, expected.y_m]]), self._curvature_1pm)[0]))
        another = nearest is not None and abs(nearest.y_m - expected.y_m) > _BESIDE_EACH_OTHER_M
        wide_m = _TURNED_AWAY_M if expected.x_m < _FAR_M else _TURNED_AWAY_FAR_M
        away = beside_m > (_BESIDE_EACH_OTHER_M if another else wide_m)
        nearer = nearest is not None and nearest.x_m < expected.x_m - _NEARER_M
        self._turned_away = self._turned_away + 1 if away else 0
        self._nearer = self._nearer + 1 if nearer else 0
        return self._turned_away >= _TURNED_AWAY_CLOUDS or self._nearer >= _NEARER_CLOUDS or expected.x_m < _BLIND_M

    def _judged(
        self, time_s: float, cloud: Cloud, middle: Expected, rear: Rear, world_SE3_ego: Matrix
    ) -> tuple[Braking | None, Values]:
        """Take in a rear that was found; say how it moves, if that is known, and its places by tick."""
        rows = rear.rows
        if len(rows) > _MOST_POINTS:
            rows = rows[np.linspace(0, len(rows) - 1, _MOST_POINTS).astype(np.intp)]
        xy_m = apply(world_SE3_ego, cloud.place_m[rows])[:, :2]
        self._moments.append(Moment(time_s, xy_m, cloud.height_m[rows]))
        while self._moments[0].time_s < time_s - self._params.seconds - TIME_TOLERANCE_S:
            self._moments.popleft()
        here_m = apply(world_SE3_ego, np.array([middle.x_m, middle.y_m, 0.0]))[:2]
        heading = world_SE3_ego[:2, :2] @ [np.cos(middle.yaw_rad), np.sin(middle.yaw_rad)]
        if len(self._moments) == 1:
            self._followed = _Followed(time_s, here_m, self._ego_velocity(), float(np.arctan2(heading[1], heading[0])))
            return None, _UNKNOWN_PLACES
        direction = _direction(self._moments, heading / np.linalg.norm(heading))
        registered = register(self._moments, direction)
        result = braking(registered, self._params.seconds, self._params.usual_acceleration_mps2)
        speed_mps = _mean_speed(registered) if result is None else result.speed_mps
        yaw_rad = float(np.arctan2(direction[1], direction[0]))
        self._followed = _Followed(time_s, here_m, speed_mps * direction, yaw_rad)
        return result, places_by_tick(registered)

    def _ego_velocity(self) -> Values:
        """The ego's velocity (2,) [m/s, world] since the last pose."""
        if len(self._poses) < 2:
            return np.zeros(2)
        (earlier_s, earlier), (time_s, pose) = self._poses[-2], self._poses[-1]
        return np.asarray((pose - earlier)[:2, 3] / (time_s - earlier_s), dtype=np.float64)

    def _forget(self) -> None:
        self._followed = None
        self._moments.clear()
        self._turned_away = self._nearer = 0


def _same(nearest: Expected | None, expected: Expected, passed_s: float) -> Expected:
    """The nearest thing in the way, if it may be what was seen once; else what is expected."""
    if nearest is None or abs(nearest.y_m - expected.y_m) > _FIRST_STEP_BESIDE_M:
        return expected
    return nearest if abs(nearest.x_m - expected.x_m) < _FIRST_STEP_MPS * passed_s else expected


def _middle(expected: Expected, rear: Rear) -> Expected:
    """Where the middle of a rear is that was found near the place where it was expected."""
    cosine, sine = float(np.cos(expected.yaw_rad)), float(np.sin(expected.yaw_rad))
    ahead_m, left_m = rear.edge_m, _MIDDLE_GAIN * rear.beside_m
    x_m, y_m = expected.x_m + cosine * ahead_m - sine * left_m, expected.y_m + sine * ahead_m + cosine * left_m
    return Expected(x_m, y_m, expected.yaw_rad)


def _mean_speed(registered: Registered) -> float:
    """Speed [m/s] over the last moments; 0 where only one is that young."""
    last = registered.time_s > -_SPEED_WINDOW_S
    if np.count_nonzero(last) < 2:
        return 0.0
    return float(np.polyfit(registered.time_s[last], registered.position_m[last], 1)[0])


def _direction(moments: deque[Moment], heading: Values) -> Values:
    """Unit vector (2,) of the way that a vehicle has come; where that is short, its heading."""
    way_m = moments[-1].xy_m.mean(axis=0) - moments[0].xy_m.mean(axis=0)
    length_m = float(np.linalg.norm(way_m))
    return way_m / length_m if length_m > _MOVED_M and way_m @ heading > 0 else heading


def _curvature(poses: list[Matrix]) -> float | None:
    """Curvature [1/m] of the way of the last poses, to the left; None where the ego hardly moves."""
    pose = poses[-1]
    for earlier in poses:
        way_m = float(np.linalg.norm((pose - earlier)[:2, 3]))
        if way_m > _LEAST_WAY_M:
            (forward_x, forward_y), (x, y) = earlier[:2, 0], pose[:2, 0]
            turn_rad = np.arctan2(forward_x * y - forward_y * x, forward_x * x + forward_y * y)
            return float(np.clip(turn_rad / way_m, -_SHARPEST_1PM, _SHARPEST_1PM))
    return None
