"""AnoVox recordings of one scenario, tick by tick, while the ego drives through the scene."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from lib.anovox.format.configurations import ScenarioDefinition, SimulatorNote
from lib.anovox.format.ego_state import EgoState, action_values, carla_tuple, mirrored
from lib.anovox.format.layout import SCENARIO_PREFIX
from lib.anovox.format.recording import CameraRecording, LidarRecording, Recording, ScenarioConfig
from lib.anovox.format.route_map import draw_route_map
from lib.common.labels import AGENT_CAR, BRAKING, TRUCK
from lib.common.ticks import TICKS_PER_SECOND
from lib.geometry.rigid import Matrix
from lib.simulator.mounting import extrinsics, sensor_set, true_lidar_extrinsics
from lib.simulator.scenario_plan import ScenarioPlan
from lib.simulator.scene import Lead, Motion, Scene, without_anomaly
from lib.simulator.sensors import sense_camera, sense_lidar
from lib.simulator.simulate_params import SimulateParams
from lib.simulator.textures import ValueNoise
from lib.simulator.world import SceneWorlds, between, ego_speed_mps, pose_at, world_SE3_ego

_FIRST_FRAME_IDS: Final = 880, 1000
"""Range of the first frame id. Ids count CARLA's ticks; so in some scenarios they go from three digits to four."""


def scenario_config(plan: ScenarioPlan, scene: Scene) -> ScenarioConfig:
    """Entry of a scenario in the configuration file and in simulator.json."""
    return ScenarioConfig(
        name=plan.name,
        type=plan.type,
        town=plan.town,
        weather_preset=plan.weather_preset,
        anomaly_blueprint=scene.anomaly_blueprint,
        anomaly_kind=scene.anomaly_kind,
    )


def scenario_definition(plan: ScenarioPlan, scene: Scene) -> ScenarioDefinition:
    """The scenario with its route, as in AnoVox's configuration files."""
    route_xy_m, anomaly_waypoint = scene.ego_route_xy_m, 0
    place_m = scene.anomaly_position_m
    if plan.dynamic and scene.lead is not None:
        x, y = pose_at(lead_motion(scene.lead), 0.0)[:2, 3].tolist()
        place_m = x, y, 0.0
    if place_m is not None:
        anomaly_waypoint = int(np.argmin(np.linalg.norm(route_xy_m - place_m[:2], axis=1)))
    return ScenarioDefinition(
        config=scenario_config(plan, scene),
        route_xy_m=route_xy_m,
        ego_yaw_rad=scene.ego_yaw_rad,
        anomaly_waypoint=anomaly_waypoint,
        anomaly_yaw_rad=scene.anomaly_yaw_rad or 0.0,
    )


def simulator_notes(plans: Iterable[ScenarioPlan], params: SimulateParams) -> dict[str, SimulatorNote]:
    """Content of simulator.json for the anomaly scenarios among `plans`."""
    notes = {}
    for plan in plans:
        if plan.anomaly:
            ids = frame_ids(plan, params)
            notes[plan.name] = SimulatorNote(plan.anomaly.kind, tuple(ids[index] for index in plan.absent))
    return notes


def frame_ids(plan: ScenarioPlan, params: SimulateParams) -> tuple[int, ...]:
    """The ids of a scenario's frames: CARLA's ticks, ten a second."""
    ticks = ticks_between_frames(params)
    first_id = int(np.random.default_rng([params.seed, 10, plan.index]).integers(*_FIRST_FRAME_IDS))
    return tuple(first_id + index * ticks for index in range(params.frames_per_scenario))


def ticks_between_frames(params: SimulateParams) -> int:
    """CARLA ticks between recorded frames; the params are checked to give an integer."""
    return round(params.seconds_between_frames * TICKS_PER_SECOND)


def record_scenario(scene: Scene, plan: ScenarioPlan, params: SimulateParams) -> Iterator[Recording]:
    """Drive the ego through the scene and yield `params.frames_per_scenario` recordings.

    The LiDARs record `lidar_time_offset_s` after the cameras, from their true poses. Each sensor's labels match its own
    measurements; ACTION and ANOMALY refer to the cameras' time and the stated calibration in sensor_setup.json.
    A pure function of its arguments.
    """
    ticks, sensors = ticks_between_frames(params), sensor_set(params)
    present, noise = SceneWorlds(scene), ValueNoise(scene.texture_seed)
    without = SceneWorlds(without_anomaly(scene)) if plan.absent else present
    lidars = true_lidar_extrinsics(plan, params)
    for index, frame_id in enumerate(frame_ids(plan, params)):
        time_s = index * ticks / TICKS_PER_SECOND
        worlds = without if index in plan.absent else present
        world, pose = worlds.at(time_s), world_SE3_ego(scene, time_s)
        later, later_pose = world, pose
        if params.lidar_time_offset_s:
            lidar_time_s = time_s + params.lidar_time_offset_s
            later, later_pose = worlds.at(lidar_time_s), world_SE3_ego(scene, lidar_time_s)
        marks = _marks(scene, plan, index)
        camera_rng, lidar_rng = np.random.default_rng([params.seed, 11, plan.index, index]).spawn(2)
        places = (pose @ extrinsics(place) for place in sensors.cameras)
        last, args = extrinsics(sensors.poses[-1]), sensors.lidar_args
        yield Recording(
            frame_id=frame_id,
            cameras=tuple(
                _camera_marked(sense_camera(world, sensors.camera_args, p, pose, noise, camera_rng), marks)
                for p in places
            ),
            lidars=tuple(
                _lidar_marked(sense_lidar(later, args, later_pose @ p, TICKS_PER_SECOND, lidar_rng), marks)
                for p in lidars
            ),
            action=action_values(frame_id, _scenario_id(plan), _ego_state(scene, pose, time_s), last, last),
            anomaly=_anomaly(scene, plan, frame_id, time_s, alive=index not in plan.absent),
            route_map=draw_route_map(scene.ego_route_xy_m, pose),
        )


def _ego_state(scene: Scene, pose: Matrix, time_s: float) -> EgoState:
    pedals = None
    if scene.ego_motion is not None and scene.ego_pedals is not None:
        throttle, brake = (between(scene.ego_motion, column, time_s) for column in scene.ego_pedals.T)
        pedals = throttle, brake
    return EgoState(pose, ego_speed_mps(scene, time_s), pedals)


@dataclass(frozen=True)
class _Marks:
    """The vehicle ahead: the class that its label has in this frame, and its true class."""

    label: int
    true: int


def _marks(scene: Scene, plan: ScenarioPlan, index: int) -> _Marks | None:
    if not plan.dynamic or scene.lead is None:
        return None
    return _Marks(BRAKING if index in scene.lead.labelled else AGENT_CAR, scene.lead.class_id)


def _camera_marked(recording: CameraRecording, marks: _Marks | None) -> CameraRecording:
    """Label the vehicle ahead as AnoVox does: in the semantic image, but not in the instance image."""
    if marks is None:
        return recording
    instance = recording.instance.copy()
    instance[recording.semantic == AGENT_CAR, 0] = marks.true
    semantic = np.where(recording.semantic == AGENT_CAR, np.uint8(marks.label), recording.semantic)
    return replace(recording, semantic=semantic, instance=instance)


def _lidar_marked(recording: LidarRecording, marks: _Marks | None) -> LidarRecording:
    if marks is None:
        return recording
    cloud = recording.semantic_lidar.copy()
    cloud[cloud[:, 3] == AGENT_CAR, 3] = marks.label
    return replace(recording, semantic_lidar=cloud)


def lead_motion(lead: Lead) -> Motion:
    """How the vehicle ahead moves."""
    assert lead.actor.motion is not None
    return lead.actor.motion


def _braking_vehicle(lead: Lead, plan: ScenarioPlan, frame_id: int, time_s: float) -> dict[str, str]:
    """Keys and values of an ANOMALY file of a dynamic scenario, as AnoVox's generator writes them."""
    motion = lead_motion(lead)
    pose, speed_mps = pose_at(motion, time_s), between(motion, motion.speed_mps, time_s)
    earlier_mps = between(motion, motion.speed_mps, time_s - motion.step_s)
    heading = mirrored(pose)[:3, 0]
    x, y, z = pose[:3, 3].tolist()
    return {
        "frame_id": str(frame_id),
        "scenario_id": _scenario_id(plan),
        "anomaly_id": str(lead.actor.parts[0].instance_id),
        "anomaly_type_id": lead.blueprint,
        "anomaly_is_alive": "True",
        "semantic_tags": str([lead.class_id]),
        "location": carla_tuple((x, -y, z)),
        "velocity": carla_tuple((speed_mps * heading).tolist()),
        "acceleration": carla_tuple(((speed_mps - earlier_mps) / motion.step_s * heading).tolist()),
        "number_of_wheels": "4",
        "sticky_control": "True",
        "object_type": "",
        "base_type": "truck" if lead.class_id == TRUCK else "car",
        "special_type": "",
        "generation": "1",
        "role_name": "anomaly",
    }


def _anomaly(scene: Scene, plan: ScenarioPlan, frame_id: int, time_s: float, *, alive: bool) -> dict[str, str] | None:
    """Keys and values of an ANOMALY file, or None if the scene has no anomaly.

    Frames in which the anomaly is absent have the file too, with `alive` False, as AnoVox's files describe anomalies
    that no sensor sees.
    """
    if plan.dynamic and scene.lead is not None:
        return _braking_vehicle(scene.lead, plan, frame_id, time_s)
    if scene.anomaly_class_id is None or scene.anomaly_position_m is None:
        return None
    x, y, z = scene.anomaly_position_m
    parts = [*scene.static_parts, *(part for actor in scene.actors for part in actor.parts)]
    return {
        "frame_id": str(frame_id),
        "scenario_id": _scenario_id(plan),
        "anomaly_id": str(min(part.instance_id for part in parts if part.class_id == scene.anomaly_class_id)),
        "anomaly_type_id": str(scene.anomaly_blueprint),
        "anomaly_is_alive": str(alive),
        "semantic_tags": str([scene.anomaly_class_id]),
        "location": carla_tuple((x, -y, z)),
        "velocity": carla_tuple((0.0, 0.0, 0.0)),
        "acceleration": carla_tuple((0.0, 0.0, 0.0)),
        "role_name": "prop",
        "size": str(scene.anomaly_size).lower(),
    }


def _scenario_id(plan: ScenarioPlan) -> str:
    return plan.name.removeprefix(SCENARIO_PREFIX)
