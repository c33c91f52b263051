"""A scene at one instant, prepared for ray casting: triangles, and a table of the parts' properties."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.geometry.rigid import Matrix, apply, rotation_about, yaw_transform
from lib.simulator.raycast import Float32, Geometry, Hits, Int32, no_hits
from lib.simulator.scene import Actor, Motion, Part, Scene
from lib.simulator.shapes import joined_faces

_LAMP_MIN_HEIGHT_M: Final = 3.0
_LAMP_SIZE_M: Final = 2.0


@dataclass(frozen=True, eq=False)
class PartTable:
    """Properties of P parts: (P,) each; colours (3, P) in linear light; `pose` (4, P): cos yaw, sin yaw, x, y of the
    frame in which the part's texture is evaluated.
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


@dataclass(frozen=True)
class Lamp:
    """A street lamp: its position [m, world] and linear colour."""

    position_m: tuple[float, float, float]
    color: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class World:
    """A scene at one instant. `camouflaged` triangles show the background, `opaque` are all others."""

    scene: Scene
    table: PartTable
    lamps: tuple[Lamp, ...]
    opaque: tuple[Geometry, ...]
    camouflaged: tuple[Geometry, ...]

    def cast_opaque(self, origins_m: Float32, directions: Float32) -> Hits:
        """First hits on anything but camouflaged parts; origins (3, N) or (3, 1), directions (3, N), world frame."""
        return _first(self.opaque, origins_m, directions)

    def cast_camouflaged(self, origins_m: Float32, directions: Float32) -> Hits:
        """First hits on camouflaged parts only."""
        return _first(self.camouflaged, origins_m, directions)

    def shadowed(self, origins_m: Float32, directions: Float32, reach: float = 1e6) -> npt.NDArray[np.bool_]:
        """Whether the rays (3, N) hit anything opaque; camouflaged parts cast no shadow."""
        blocked = np.zeros(directions.shape[1], dtype=bool)
        for geometry in self.opaque:
            left = np.flatnonzero(~blocked)
            blocked[left] = geometry.blocked(origins_m[:, left], directions[:, left], reach)
        return blocked


class SceneWorlds:
    """Builds the worlds of one scene: static geometry once, moving geometry for each instant."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        actor_parts = chain.from_iterable(actor.parts for actor in scene.actors)
        self._parts = (*scene.static_parts, *actor_parts)
        static = [(index, part, None) for index, part in enumerate(scene.static_parts)]
        self._opaque = _geometry(static, camouflage=False)
        self._camouflaged = _geometry(static, camouflage=True)
        self._lamps = _lamps(scene)
        self._table = _table(self._parts)

    def at(self, time_s: float) -> World:
        """The world `time_s` after the scene's start."""
        index, moving = len(self._scene.static_parts), []
        poses: list[Matrix | None] = [None] * index
        for actor in self._scene.actors:
            pose = world_SE3_actor(actor, time_s)
            for part in actor.parts:
                moving.append((index, part, pose))
                poses.append(pose)
                index += 1
        return World(
            self._scene,
            replace(self._table, pose=_texture_poses(poses)),
            self._lamps,
            opaque=self._opaque + _geometry(moving, camouflage=False),
            camouflaged=self._camouflaged + _geometry(moving, camouflage=True),
        )


def world_SE3_actor(actor: Actor, time_s: float) -> Matrix:
    """Pose (4, 4) of an actor `time_s` after the scene's start."""
    if actor.motion is not None:
        return pose_at(actor.motion, time_s)
    return _pose_after(actor.start_xy_m, actor.yaw_rad, actor.speed_mps * time_s)


def world_SE3_ego(scene: Scene, time_s: float) -> Matrix:
    """Pose (4, 4) of the ego vehicle `time_s` after the scene's start."""
    if scene.ego_motion is not None:
        return pose_at(scene.ego_motion, time_s)
    return _pose_after(scene.ego_start_xy_m, scene.ego_yaw_rad, scene.ego_speed_mps * time_s)


def ego_speed_mps(scene: Scene, time_s: float) -> float:
    """Speed of the ego vehicle `time_s` after the scene's start."""
    if scene.ego_motion is not None:
        return between(scene.ego_motion, scene.ego_motion.speed_mps, time_s)
    return scene.ego_speed_mps


def pose_at(motion: Motion, time_s: float) -> Matrix:
    """Pose (4, 4) of a motion, interpolated between its steps."""
    x, y, yaw, dive = (
        between(motion, values, time_s)
        for values in (motion.xy_m[:, 0], motion.xy_m[:, 1], motion.yaw_rad, motion.dive_rad)
    )
    pose = yaw_transform(yaw, (x, y, 0.0))
    pose[:3, :3] = pose[:3, :3] @ rotation_about(np.array([0.0, 1.0, 0.0]), dive)
    return pose


def between(motion: Motion, values: npt.NDArray[np.float64], time_s: float) -> float:
    """A value of a motion's series (T,) at a time, linearly between its steps; before and after, that of the end."""
    return float(np.interp((time_s - motion.start_s) / motion.step_s, np.arange(len(values)), values))


def _pose_after(start_xy_m: tuple[float, float], yaw_rad: float, way_m: float) -> Matrix:
    x, y = start_xy_m
    return yaw_transform(yaw_rad, (x + way_m * float(np.cos(yaw_rad)), y + way_m * float(np.sin(yaw_rad)), 0.0))


def _first(geometries: Sequence[Geometry], origins_m: Float32, directions: Float32) -> Hits:
    if not geometries:
        return no_hits(directions.shape[1])
    hits = geometries[0].cast(origins_m, directions)
    for geometry in geometries[1:]:
        hits = hits.nearer(geometry.cast(origins_m, directions, hits.distance))
    return hits


def _geometry(placed: Sequence[tuple[int, Part, Matrix | None]], *, camouflage: bool) -> tuple[Geometry, ...]:
    """One geometry of the parts that are, or are not, camouflaged, each at its pose (None: identity); or ()."""
    chosen = [item for item in placed if item[1].material.camouflage == camouflage and len(item[1].faces)]
    if not chosen:
        return ()
    vertices = [p.vertices_m if pose is None else apply(pose, p.vertices_m).astype(np.float32) for _, p, pose in chosen]
    faces = [part.faces for _, part, _ in chosen]
    owners = np.repeat(np.array([index for index, _, _ in chosen], np.int32), [len(part) for part in faces])
    return (Geometry(np.concatenate(vertices), joined_faces(faces, [len(part) for part in vertices]), owners),)


def _texture_poses(poses: Sequence[Matrix | None]) -> Float32:
    """`pose` (4, P) of PartTable from the parts' poses; None is the identity."""
    return _numbers([(1, 0, 0, 0) if p is None else (p[0, 0], p[1, 0], p[0, 3], p[1, 3]) for p in poses])


def _numbers(values: Sequence[object]) -> Float32:
    return np.ascontiguousarray(np.array(values, dtype=np.float32).T)


def _table(parts: Sequence[Part]) -> PartTable:
    """The table of parts, all with the identity as their pose."""
    materials = [part.material for part in parts]
    return PartTable(
        texture=np.array([material.texture for material in materials], dtype=np.int32),
        color=_numbers([material.color for material in materials]) ** 2,
        color2=_numbers([material.color2 for material in materials]) ** 2,
        scale_m=_numbers([material.scale_m for material in materials]),
        specular=_numbers([material.specular for material in materials]),
        emissive=_numbers([material.emissive for material in materials]),
        reflectivity=_numbers([material.lidar_reflectivity for material in materials]),
        class_id=np.array([part.class_id for part in parts], dtype=np.uint8),
        instance_id=np.array([part.instance_id for part in parts], dtype=np.int32),
        pose=_texture_poses([None] * len(parts)),
    )


def _lamps(scene: Scene) -> tuple[Lamp, ...]:
    """Street lamps at night: emissive parts high above the street; faces close together are one lamp."""
    lamps: list[Lamp] = []
    for part in scene.static_parts if scene.weather.night else ():
        if part.material.emissive <= 0:
            continue
        red, green, blue = (float(part.material.emissive * channel**2) for channel in part.material.color)
        centers = part.vertices_m[part.faces].mean(axis=1)
        left = centers[centers[:, 2] > _LAMP_MIN_HEIGHT_M].astype(np.float64)
        while len(left):
            near = np.abs(left - left[0]).max(axis=1) < _LAMP_SIZE_M
            x, y, z = left[near].mean(axis=0).tolist()
            lamps.append(Lamp((x, y, z), (red, green, blue)))
            left = left[~near]
    return tuple(lamps)
