"""A scene at one instant, ready for rays: static, moving and camouflaged triangles, and what their parts look like."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from lib.geometry.rigid import Matrix, apply, yaw_transform
from lib.simulator.raycast import Float32, Geometry, Hits, Int32
from lib.simulator.scene import Actor, Part, Scene


@dataclass(frozen=True, eq=False)
class PartTable:
    """What rays find at each of P parts. Colours are linear light; `pose` is (P, 4) cos yaw, sin yaw, x, y of the frame
    that the part's texture is fixed to.
    """

    texture: Int32
    color: Float32
    color2: Float32
    scale_m: Float32
    specular: Float32
    emissive: Float32
    reflectivity: Float32
    class_id: npt.NDArray[np.uint8]
    instance_id: Int32
    pose: Float32


@dataclass(frozen=True, eq=False)
class Lamp:
    """A light at rest: where it hangs [m, world] and its linear colour."""

    position_m: tuple[float, float, float]
    color: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class World:
    """A scene at one instant. `opaque` holds what the camera truly sees, `camouflaged` what takes the look behind it."""

    scene: Scene
    table: PartTable
    lamps: tuple[Lamp, ...]
    opaque: tuple[Geometry, ...]
    camouflaged: tuple[Geometry, ...]

    def cast_opaque(self, origins_m: Float32, directions: Float32) -> Hits:
        """First hits on anything but camouflaged parts; rays (N, 3) float32, world frame."""
        return _first(self.opaque, origins_m, directions)

    def cast_camouflaged(self, origins_m: Float32, directions: Float32) -> Hits:
        """First hits on camouflaged parts alone."""
        return _first(self.camouflaged, origins_m, directions)

    def shadowed(self, origins_m: Float32, directions: Float32, reach: float = 1e6) -> npt.NDArray[np.bool_]:
        """Whether anything opaque lies on the rays; camouflaged parts cast no shadow."""
        blocked = np.zeros(len(origins_m), dtype=bool)
        for geometry in self.opaque:
            left = np.flatnonzero(~blocked)
            blocked[left] = geometry.blocked(origins_m[left], directions[left], reach)
        return blocked


class SceneWorlds:
    """The worlds of one scene: what stands still is built once, what moves at each instant."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        actor_parts = tuple(chain.from_iterable(actor.parts for actor in scene.actors))
        self._parts = (*scene.static_parts, *actor_parts)
        static = [(index, part, np.eye(4)) for index, part in enumerate(scene.static_parts)]
        self._static = _geometry(static, camouflage=False)
        self._static_camouflaged = _geometry(static, camouflage=True)
        self._lamps = _lamps(scene)

    def at(self, time_s: float) -> World:
        """The world `time_s` after the scene's start."""
        index, moving = len(self._scene.static_parts), []
        poses = [yaw_transform(0.0)] * index
        for actor in self._scene.actors:
            pose = world_SE3_actor(actor, time_s)
            for part in actor.parts:
                moving.append((index, part, pose))
                poses.append(pose)
                index += 1
        return World(
            self._scene,
            _table(self._parts, poses),
            self._lamps,
            opaque=(self._static, _geometry(moving, camouflage=False)),
            camouflaged=(self._static_camouflaged, _geometry(moving, camouflage=True)),
        )


def world_SE3_actor(actor: Actor, time_s: float) -> Matrix:
    """Pose (4, 4) of an actor `time_s` after the scene's start."""
    way_m = actor.speed_mps * time_s
    x = actor.start_xy_m[0] + way_m * float(np.cos(actor.yaw_rad))
    y = actor.start_xy_m[1] + way_m * float(np.sin(actor.yaw_rad))
    return yaw_transform(actor.yaw_rad, (x, y, 0.0))


def world_SE3_ego(scene: Scene, time_s: float) -> Matrix:
    """Pose (4, 4) of the ego vehicle `time_s` after the scene's start."""
    way_m = scene.ego_speed_mps * time_s
    x = scene.ego_start_xy_m[0] + way_m * float(np.cos(scene.ego_yaw_rad))
    y = scene.ego_start_xy_m[1] + way_m * float(np.sin(scene.ego_yaw_rad))
    return yaw_transform(scene.ego_yaw_rad, (x, y, 0.0))


def _first(geometries: Sequence[Geometry], origins_m: Float32, directions: Float32) -> Hits:
    hits = geometries[0].cast(origins_m, directions)
    for geometry in geometries[1:]:
        hits = hits.nearer(geometry.cast(origins_m, directions))
    return hits


def _geometry(placed: Sequence[tuple[int, Part, Matrix]], *, camouflage: bool) -> Geometry:
    chosen = [item for item in placed if item[1].material.camouflage == camouflage]
    triangles = [apply(pose, part.vertices_m)[part.faces].astype(np.float32) for _, part, pose in chosen]
    indices = [np.full(len(part.faces), index, dtype=np.int32) for index, part, _ in chosen]
    if not chosen:
        return Geometry(np.zeros((0, 3, 3), dtype=np.float32), np.zeros(0, dtype=np.int32))
    return Geometry(np.concatenate(triangles), np.concatenate(indices))


def _table(parts: Sequence[Part], poses: Sequence[Matrix]) -> PartTable:
    materials = [part.material for part in parts]
    color = np.array([material.color for material in materials], dtype=np.float32).reshape(-1, 3)
    color2 = np.array([material.color2 for material in materials], dtype=np.float32).reshape(-1, 3)
    return PartTable(
        texture=np.array([material.texture for material in materials], dtype=np.int32),
        color=color**2,
        color2=color2**2,
        scale_m=np.array([material.scale_m for material in materials], dtype=np.float32),
        specular=np.array([material.specular for material in materials], dtype=np.float32),
        emissive=np.array([material.emissive for material in materials], dtype=np.float32),
        reflectivity=np.array([material.lidar_reflectivity for material in materials], dtype=np.float32),
        class_id=np.array([part.class_id for part in parts], dtype=np.uint8),
        instance_id=np.array([part.instance_id for part in parts], dtype=np.int32),
        pose=np.array([[p[0, 0], p[1, 0], p[0, 3], p[1, 3]] for p in poses], dtype=np.float32).reshape(-1, 4),
    )


def _lamps(scene: Scene) -> tuple[Lamp, ...]:
    """At night, glowing things that hang high light the street: street lamps, lit signs."""
    if not scene.weather.night:
        return ()
    lamps = []
    for part in scene.static_parts:
        center = part.vertices_m.mean(axis=0)
        if part.material.emissive > 0 and center[2] > LAMP_MIN_HEIGHT_M and np.ptp(part.vertices_m, axis=0).max() < 2.0:
            red, green, blue = (float(part.material.emissive) * channel**2 for channel in part.material.color)
            lamps.append(Lamp((float(center[0]), float(center[1]), float(center[2])), (red, green, blue)))
    return tuple(lamps)


LAMP_MIN_HEIGHT_M = 3.0
