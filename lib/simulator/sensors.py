"""The camera and the LiDAR: recordings of a scene at one instant, with exact labels."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.anovox.format.recording import CameraArgs, CameraRecording, LidarArgs, LidarRecording
from lib.common.labels import SKY
from lib.geometry.camera import Camera
from lib.geometry.rigid import Matrix
from lib.simulator.lens import develop
from lib.simulator.raycast import NO_PART, Float32, Hits, Int32, dot, length
from lib.simulator.shading import View, camouflaged_light, image_light
from lib.simulator.textures import ValueNoise
from lib.simulator.world import World

SKY_DEPTH_M: Final = 1000.0
_EXTRA_RAYS: Final = ((0.32, 0.16), (-0.32, -0.16))
"""Additional samples in pixels on outlines: offsets to the right of and below the centre [pixels]."""
_OUTLINE_CONTRAST: Final = 0.05
"""Step in displayed brightness above which an outline is antialiased."""
ATTENUATION_PER_M: Final = 0.004
"""CARLA's `atmosphere_attenuation_rate`: intensity falls with exp(-0.004 d)."""
_WEAK_RETURN: Final = 0.05
"""Intensity below which returns may be lost, as from black paint, puddles and glass."""
_WET_LOSS: Final = 0.4
"""Fraction of its reflectivity that horizontal ground loses when it is wet."""


@dataclass(frozen=True, eq=False)
class _Cast:
    """One sensor's rays (3, N) from origin (3, 1), their first hits, and those without camouflaged parts (`behind`)."""

    origin_m: Float32
    directions: Float32
    hits: Hits
    behind: Hits


def sense_camera(
    world: World,
    args: CameraArgs,
    world_SE3_camera: Matrix,
    world_SE3_ego: Matrix,
    noise: ValueNoise,
    rng: np.random.Generator,
) -> CameraRecording:
    """Record the world with a pinhole camera: image, planar depth, class and instance at each pixel's centre."""
    camera = Camera.from_fov(args.image_width, args.image_height, args.camera_fov)
    shape = camera.height_px, camera.width_px
    cast = _cast(world, world_SE3_camera, _camera_directions(camera))
    view = View(cast.origin_m, cast.directions, 1.0 / camera.fx_px, world_SE3_ego)
    light = image_light(world, view, cast.behind, noise)
    _soften_outlines(world, view, cast.behind.part.reshape(shape), world_SE3_camera, light, noise)
    _camouflage(world, cast, light)
    seen = cast.hits.part != NO_PART
    depth = np.where(seen, np.minimum(cast.hits.distance, SKY_DEPTH_M), SKY_DEPTH_M)
    class_id = np.where(seen, world.table.class_id[cast.hits.part], np.uint8(SKY))
    instance = np.where(seen, world.table.instance_id[cast.hits.part], 0)
    channels = class_id, instance & 255, instance >> 8 & 255
    return CameraRecording(
        rgb=develop(light.reshape(3, *shape), world.scene.weather, rng),
        depth_m=depth.astype(np.float64).reshape(shape),
        semantic=class_id.reshape(shape),
        instance=np.stack(channels, axis=-1).astype(np.uint8).reshape(*shape, 3),
    )


def sense_lidar(
    world: World,
    args: LidarArgs,
    world_SE3_lidar: Matrix,
    frames_per_second: int,
    rng: np.random.Generator,
    ahead_only: bool = False,
) -> LidarRecording:
    """Record the world with a LiDAR whose full turn is instantaneous, with points_per_second / frames_per_second rays.

    Rays without a return have no row: those into the sky or beyond the range, random losses (`Scene.lidar_dropout`),
    and weak returns. Intensity as in CARLA: reflectivity, angle of incidence, exp(-0.004 d).
    A camouflaged surface returns the intensity of the background. `ahead_only`: without the rays to the back.
    """
    rays = lidar_directions(args, args.points_per_second // (frames_per_second * args.channels))
    if ahead_only:
        rays = np.ascontiguousarray(rays[:, rays[0] > 0])
    cast = _cast(world, world_SE3_lidar, rays)
    chance = rng.random(rays.shape[1], dtype=np.float32)
    range_noise_m = np.asarray(rng.normal(0.0, args.noise_stddev, rays.shape[1]))
    intensity = _intensity(world, cast)
    weakness = np.clip(1 - intensity / _WEAK_RETURN, 0, 1) ** 2
    lost = world.scene.lidar_dropout + (1 - world.scene.lidar_dropout) * weakness
    returned = np.flatnonzero((cast.hits.distance <= args.range) & (chance >= lost))
    range_m, rays = cast.hits.distance[returned].astype(np.float64), rays[:, returned]
    measured_m = rays * np.maximum(range_m + range_noise_m[returned], 0.0)
    class_id = world.table.class_id[cast.hits.part[returned]]
    return LidarRecording(
        lidar=np.column_stack([*measured_m, intensity[returned]]).astype(np.float32),
        semantic_lidar=np.column_stack([*(rays * range_m), class_id.astype(np.float64)]),
    )


@lru_cache(maxsize=8)
def _camera_directions(camera: Camera) -> npt.NDArray[np.float64]:
    """Directions (3, H * W) to the pixels' centres in the camera's frame, with x = 1."""
    ahead = camera.unproject(np.ones((camera.height_px, camera.width_px)))
    directions = np.ascontiguousarray(np.asarray(ahead, dtype=np.float64).reshape(-1, 3).T)
    directions.setflags(write=False)
    return directions


@lru_cache(maxsize=8)
def lidar_directions(args: LidarArgs, rays_per_channel: int) -> npt.NDArray[np.float64]:
    """Unit directions (3, N), sensor frame: by azimuth, clockwise from straight behind, then by elevation, upwards."""
    elevation = np.deg2rad(np.linspace(args.lower_fov, args.upper_fov, args.channels))
    azimuth = np.pi - 2 * np.pi * (np.arange(rays_per_channel) + 0.5) / rays_per_channel
    azimuth, elevation = np.repeat(azimuth, args.channels), np.tile(elevation, rays_per_channel)
    flat = np.cos(elevation)
    directions = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])
    directions.setflags(write=False)
    return directions


def _cast(world: World, world_SE3_sensor: Matrix, rays: npt.NDArray[np.float64]) -> _Cast:
    """Cast rays (3, N) of the sensor's frame."""
    forward, left, up = (world_SE3_sensor[:3, axis, None] * rays[axis] for axis in range(3))
    directions = (forward + left + up).astype(np.float32)
    origin = world_SE3_sensor[:3, 3, None].astype(np.float32)
    behind = world.cast_opaque(origin, directions)
    hits = behind.nearer(world.cast_camouflaged(origin, directions)) if world.camouflaged else behind
    return _Cast(origin, directions, hits, behind)


def _soften_outlines(
    world: World, view: View, part: Int32, world_SE3_camera: Matrix, light: Float32, noise: ValueNoise
) -> None:
    """Antialias visible outlines, in place: average the light (3, N) of their pixels over additional rays.

    `part` (H, W): the part hit by the ray through each pixel's centre.
    """
    shown = np.sqrt(light.max(axis=0)).reshape(part.shape)
    across = (part[:, 1:] != part[:, :-1]) & (np.abs(shown[:, 1:] - shown[:, :-1]) > _OUTLINE_CONTRAST)
    down = (part[1:] != part[:-1]) & (np.abs(shown[1:] - shown[:-1]) > _OUTLINE_CONTRAST)
    outline = np.zeros(part.shape, dtype=bool)
    for beside, edge in ((np.s_[:, 1:], across), (np.s_[:, :-1], across), (np.s_[1:], down), (np.s_[:-1], down)):
        outline[beside] |= edge
    pixels = np.flatnonzero(outline)
    steps = [-right * world_SE3_camera[:3, 1] - below * world_SE3_camera[:3, 2] for right, below in _EXTRA_RAYS]
    shifts = np.array(steps, dtype=np.float32)[:, :, None] * np.float32(view.pixel_angle_rad)
    directions = np.concatenate(view.directions[:, pixels] + shifts, axis=1)
    hits = world.cast_opaque(view.origin_m, directions)
    extra = image_light(world, replace(view, directions=directions), hits, noise)
    total = light[:, pixels] + extra.reshape(3, len(_EXTRA_RAYS), -1).sum(axis=1)
    light[:, pixels] = total / (1 + len(_EXTRA_RAYS))


def _camouflage(world: World, cast: _Cast, light: Float32) -> None:
    """Shade the pixels of camouflaged parts, in place."""
    hidden = np.flatnonzero(cast.hits.distance < cast.behind.distance)
    way = cast.directions[:, hidden]
    sun = np.array(world.scene.weather.sun_direction, dtype=np.float32)
    forward = np.asarray(way / length(way), dtype=np.float32)
    light[:, hidden] = camouflaged_light(light[:, hidden], cast.hits.normal[:, hidden], forward, sun)


def _intensity(world: World, cast: _Cast) -> Float32:
    """Intensity (N,) in [0, 1] of each ray's return; 0 without a return."""
    hidden = (cast.hits.distance < cast.behind.distance) & (cast.behind.part != NO_PART)
    part = np.where(hidden, cast.behind.part, cast.hits.part)
    normal = np.where(hidden, cast.behind.normal, cast.hits.normal)
    distance = np.where(hidden, cast.behind.distance, cast.hits.distance)
    incidence = np.abs(dot(normal, cast.directions))
    dry = 1 - np.float32(_WET_LOSS * world.scene.weather.wetness) * (normal[2] > 0.7)
    reflected = world.table.reflectivity[part] * dry * (np.float32(0.25) + np.float32(0.75) * incidence)
    weakened = np.clip(reflected * np.exp(np.float32(-ATTENUATION_PER_M) * distance), 0, 1)
    return np.asarray(np.where(part == NO_PART, np.float32(0), weakened))
