"""The scene of a drive: a long street, the vehicles of the ego's lane, and others around them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.random import Generator

from lib.common.labels import AGENT_CAR
from lib.common.ticks import TICKS_PER_SECOND
from lib.simulator import vehicles
from lib.simulator.assembly import Object, SceneParts, bounds, weighted
from lib.simulator.buildings import add_buildings
from lib.simulator.driving.drive_plan import LABELLED_TICKS, DrivePlan, Sway, draw_drive
from lib.simulator.driving.trajectories import MARGIN_TICKS, Floats, Lane, Lengths, Trajectory, drive, fits
from lib.simulator.ground import add_ground
from lib.simulator.occupancy import Occupancy, Route, waypoints
from lib.simulator.scenario_plan import ScenarioPlan
from lib.simulator.scene import Lead, Motion, Scene
from lib.simulator.simulate_params import SimulateParams
from lib.simulator.street import BACK_M, FRONT_M, Street, draw_street
from lib.simulator.streetside import add_streetside
from lib.simulator.traffic import add_parked
from lib.simulator.weather import build_weather

EGO_LENGTH_M: Final = 4.9
DIVE_RAD_PER_MPS2: Final = float(np.deg2rad(0.15))
"""How far a car's nose goes down when it brakes."""
_DIVE_TICKS: Final = 2.0
_STEP_S: Final = 1 / TICKS_PER_SECOND
_LEADS: Final[tuple[tuple[float, tuple[str, Callable[[Generator, bool], Object]]], ...]] = (
    (0.30, ("vehicle.audi.etron", vehicles.hatchback)),
    (0.25, ("vehicle.tesla.model3", vehicles.saloon)),
    (0.25, ("vehicle.nissan.patrol", vehicles.suv)),
    (0.10, ("vehicle.mercedes.sprinter", vehicles.van)),
    (0.05, ("vehicle.tesla.cybertruck", vehicles.pickup)),
    (0.05, ("vehicle.carlamotors.carlacola", vehicles.lorry)),
)
"""What drives ahead, by the names of CARLA's vehicles: no two-wheelers, buses or emergency vehicles, as in AnoVox."""
_AROUND: Final = ((0.85, vehicles.car), (0.10, vehicles.lorry), (0.05, vehicles.bus))


@dataclass(frozen=True, eq=False)
class PlannedDrive:
    """A drive and what it needs: its street, the ego's lane and the lane beside from which the lead may come, and the
    vehicles.
    """

    plan: DrivePlan
    lane: Lane
    street: Street
    ego_lane: int
    lane_beside: int | None
    lead: Object
    lead_blueprint: str
    first: Object


def plan_drive(plan: ScenarioPlan, params: SimulateParams, lights: bool = False) -> PlannedDrive:
    """Draw the drive of a scenario: the same with an ego that reacts and one that does not."""
    rng = np.random.default_rng([params.seed, 20, plan.index])
    street = draw_street(rng)
    ego_lane = int(rng.integers(street.right_lanes))
    beside = None if street.right_lanes == 1 else 1 - ego_lane
    blueprint, build = weighted(rng, _LEADS)
    lead, first = build(rng, lights), weighted(rng, _AROUND)(rng, lights)
    lengths = Lengths(EGO_LENGTH_M, _length_m(lead), _length_m(first))
    while True:
        drawn = draw_drive(params, rng, dynamic=plan.dynamic, may_cut_in=beside is not None)
        lane = drive(drawn, lengths, params.frames_per_scenario)
        if fits(drawn, lane):
            break
    # By what the ego would like to drive: twins drive in the same street.
    longer_m = float(np.ceil(drawn.ego_driver.desired_mps * len(lane.ego.way_m) * _STEP_S))
    return PlannedDrive(
        drawn, lane, replace(street, front_m=FRONT_M + longer_m), ego_lane, beside, lead, blueprint, first
    )


def build_drive_scene(plan: ScenarioPlan, params: SimulateParams, building_density: float) -> Scene:
    """The scene of a drive, a pure function of plan and parameters; normality and dynamic drives are built alike."""
    rng = np.random.default_rng([params.seed, 2, plan.index])
    parts = SceneParts()
    weather = build_weather(plan.weather_preset, rng)
    lights = weather.night or weather.wetness > 0.5 or weather.fog_density > 0.01
    planned = plan_drive(plan, params, lights)
    street, lane, drawn = planned.street, planned.lane, planned.plan
    center_m = street.lane_center(planned.ego_lane)
    ego = _along(street, lane.ego, center_m + _sway(drawn.ego_sway, lane))
    duration_s = params.frames_per_scenario * _STEP_S
    route = Route(center_m, 0.0, 0.0, float(lane.ego.way_m[-1]), duration_s)
    ground = Occupancy(np.empty((0, 2)))
    ground.reserve(BACK_M, street.front_m, -street.lanes_end(-1), street.lanes_end(1))
    add_ground(parts, street, rng)
    add_buildings(parts, street, rng, building_density)
    actor = parts.add_moving(
        _called(planned.lead, AGENT_CAR) if plan.dynamic else planned.lead,
        _along(street, lane.lead, center_m + _sway(drawn.lead_sway, lane) + _beside_m(planned)),
    )
    if lane.first is not None:
        parts.add_moving(planned.first, _along(street, lane.first, np.full(len(lane.first.way_m), center_m)))
    empty = {planned.ego_lane} | ({planned.lane_beside} if drawn.cut_in_s is not None else set())
    for number in sorted(set(range(-street.left_lanes, street.right_lanes)) - empty):
        _drive_lane(parts, street, number, len(lane.ego.way_m), lights, rng)
    add_parked(parts, street, ground, rng)
    add_streetside(parts, street, route, ground, weather, rng)
    return Scene(
        static_parts=parts.static_parts(),
        actors=parts.actors,
        weather=weather,
        ego_start_xy_m=street.place(0.0, center_m),
        ego_yaw_rad=street.heading(0.0),
        ego_speed_mps=float(lane.ego.speed_mps[MARGIN_TICKS]),
        ego_route_xy_m=waypoints(street, route),
        texture_seed=int(rng.integers(2**31)),
        lidar_dropout=float(rng.beta(1.0, 30.0)),
        anomaly_blueprint=planned.lead_blueprint if plan.dynamic else None,
        ego_motion=ego,
        ego_pedals=lane.pedals,
        lead=Lead(actor, planned.lead_blueprint, planned.lead[0].class_id, _labelled(drawn, params)),
    )


def _labelled(plan: DrivePlan, params: SimulateParams) -> range:
    """The labelled frames: as many as AnoVox labels, as far as the drive lasts."""
    if plan.onset_tick is None:
        return range(0)
    return range(plan.onset_tick, min(plan.onset_tick + LABELLED_TICKS, params.frames_per_scenario))


def _length_m(thing: Object) -> float:
    low, high = bounds(thing)
    return 2 * float(max(high[0], -low[0]))


def _called(thing: Object, class_id: int) -> Object:
    return tuple(replace(piece, class_id=class_id) for piece in thing)


def _sway(sway: Sway, lane: Lane) -> Floats:
    """Offset (T,) from the lane's middle [m]."""
    # By the way driven, not by time: nobody sways while standing.
    speed_mps = max(float(lane.ego.speed_mps.mean()), 1.0)
    return sway.offset_m + sway.amplitude_m * np.sin(2 * np.pi * lane.ego.way_m / (speed_mps * sway.period_s))


def _beside_m(planned: PlannedDrive) -> Floats:
    """How far (T,) the lead is from the ego's lane while it comes from the lane beside [m]."""
    ticks = np.arange(-MARGIN_TICKS, len(planned.lane.lead.way_m) - MARGIN_TICKS)
    if planned.lane_beside is None or planned.plan.cut_in_s is None:
        return np.zeros(len(ticks))
    width_m = planned.street.lane_center(planned.lane_beside) - planned.street.lane_center(planned.ego_lane)
    begun_s = np.inf if np.isinf(planned.lane.cut_in_s) else planned.lane.cut_in_s
    part = np.clip((ticks * _STEP_S - begun_s) / planned.plan.cut_in_takes_s, 0.0, 1.0)
    return np.asarray(width_m * (1 - part**2 * (3 - 2 * part)))


def _along(street: Street, path: Trajectory, d_m: Floats) -> Motion:
    """A vehicle's motion along the street, at the offsets d_m (T,) [m] from its centre line."""
    middle_m = float(np.median(d_m))
    s_m = path.way_m / (1 - street.curvature * middle_m)
    x, y = street.xy(s_m, d_m)
    drift = np.gradient(d_m) / np.maximum(np.gradient(path.way_m), 0.05)
    return Motion(
        start_s=-MARGIN_TICKS * _STEP_S,
        step_s=_STEP_S,
        xy_m=np.stack([x, y], axis=1),
        yaw_rad=street.curvature * s_m + np.arctan(np.clip(drift, -0.5, 0.5)),
        dive_rad=_dive_rad(path.acceleration_mps2),
        speed_mps=path.speed_mps,
    )


def _dive_rad(acceleration_mps2: Floats) -> Floats:
    """The nose follows the acceleration with a delay."""
    dive, dives = 0.0, []
    for value in acceleration_mps2.tolist():
        dive += (-DIVE_RAD_PER_MPS2 * value - dive) / _DIVE_TICKS
        dives.append(dive)
    return np.array(dives)


def _drive_lane(parts: SceneParts, street: Street, number: int, ticks: int, lights: bool, rng: Generator) -> None:
    """Add the vehicles of another lane, all at one speed."""
    forward = number >= 0
    speed_mps = float(rng.uniform(3.0, 12.0))
    way_m = np.asarray((np.arange(ticks) - MARGIN_TICKS) * _STEP_S * speed_mps, dtype=np.float64)
    first_m, last_m = (-60.0 - way_m[-1], street.front_m - 20) if forward else (-40.0, street.front_m - 5)
    s = first_m + float(rng.uniform(0, 40))
    still = np.zeros(ticks)
    while s < last_m:
        thing = weighted(rng, _AROUND)(rng, lights)
        d_m = np.full(ticks, street.lane_center(number) + float(rng.uniform(-0.2, 0.2)))
        path = Trajectory(s + (way_m if forward else -way_m), np.full(ticks, speed_mps), still)
        motion = _along(street, path, d_m)
        parts.add_moving(thing, motion if forward else replace(motion, yaw_rad=motion.yaw_rad + np.pi))
        s += _length_m(thing) + float(rng.uniform(8, 16) + rng.exponential(26))
