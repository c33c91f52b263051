"""The camera and the LiDAR: one scene, one instant, exact labels."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from lib.anovox.recording import CameraArgs, CameraRecording, LidarArgs, LidarRecording
from lib.geometry.camera import Camera
from lib.geometry.rigid import Matrix
from lib.labels import SKY
from lib.simulator.lens import develop
from lib.simulator.raycast import NO_PART, Float32, Hits, dot
from lib.simulator.shading import View, camouflaged_light, picture_light
from lib.simulator.textures import ValueNoise
from lib.simulator.world import World

SKY_DEPTH_M: Final = 1000.0
ATTENUATION_PER_M: Final = 0.004
"""CARLA's `atmosphere_attenuation_rate`: intensity falls with exp(-0.004 d)."""
_WEAK_RETURN: Final = 0.05
"""Reflectivity below which returns get lost: black paint, puddles, glass."""


@dataclass(frozen=True, eq=False)
class _Cast:
    """One sensor's rays (N, 3) and what they meet: everything, and what lies behind camouflaged parts."""

    origins_m: Float32
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
    """Record the world with a pinhole camera: picture, planar depth, class and instance of each pixel's centre."""
    camera = Camera.from_fov(args.image_width, args.image_height, args.camera_fov)
    shape = camera.height_px, camera.width_px
    rays = camera.unproject(np.ones(shape)).reshape(-1, 3)
    cast = _cast(world, world_SE3_camera, rays)
    view = View(cast.origins_m[0], cast.directions, 1.0 / camera.fx_px)
    light = picture_light(world, view, cast.behind, noise, world_SE3_ego)
    _camouflage(world, cast, light)
    seen = cast.hits.part != NO_PART
    depth = np.where(seen, np.minimum(cast.hits.distance, SKY_DEPTH_M), SKY_DEPTH_M)
    class_id = np.where(seen, world.table.class_id[cast.hits.part], np.uint8(SKY))
    instance = np.where(seen, world.table.instance_id[cast.hits.part], 0)
    channels = (class_id, instance & 255, instance >> 8 & 255)
    return CameraRecording(
        rgb=develop(light.reshape(*shape, 3), world.scene.weather, rng),
        depth_m=depth.astype(np.float64).reshape(shape),
        semantic=class_id.reshape(shape),
        instance=np.stack(channels, axis=-1).astype(np.uint8).reshape(*shape, 3),
    )


def sense_lidar(
    world: World, args: LidarArgs, world_SE3_lidar: Matrix, rays_per_channel: int, rng: np.random.Generator
) -> LidarRecording:
    """Record the world with a LiDAR that turns once in no time: `channels` rays at each of `rays_per_channel` azimuths.

    Rays without a return leave no row: the sky, what is beyond the range, chance losses (`Scene.lidar_dropout`) and,
    more often, returns too weak. Intensity as in CARLA: reflectivity, angle of incidence, exp(-0.004 d).
    A camouflaged surface returns the intensity of what is behind it.
    """
    rays = lidar_directions(args, rays_per_channel)
    cast = _cast(world, world_SE3_lidar, rays)
    chance = rng.random(len(rays), dtype=np.float32)
    range_noise = rng.normal(0.0, args.noise_stddev, len(rays)) if args.noise_stddev > 0 else np.zeros(len(rays))
    intensity = _intensity(world, cast)
    lost = (
        world.scene.lidar_dropout + (1 - world.scene.lidar_dropout) * np.clip(1 - intensity / _WEAK_RETURN, 0, 1) ** 2
    )
    returned = np.flatnonzero((cast.hits.distance <= args.range) & (chance >= lost))
    range_m = cast.hits.distance[returned].astype(np.float64)
    class_id = world.table.class_id[cast.hits.part[returned]]
    true_m = rays[returned] * range_m[:, None]
    measured_m = rays[returned] * np.maximum(range_m + range_noise[returned], 0.0)[:, None]
    return LidarRecording(
        lidar=np.column_stack([measured_m, intensity[returned]]).astype(np.float32),
        semantic_lidar=np.column_stack([true_m, class_id.astype(np.float64)]),
    )


def lidar_directions(args: LidarArgs, rays_per_channel: int) -> np.ndarray:
    """Unit directions (rays_per_channel * channels, 3) float64 in the sensor's frame, azimuth by azimuth, clockwise from
    straight behind (CARLA's order), each from the lowest channel up.
    """
    elevation = np.deg2rad(np.linspace(args.lower_fov, args.upper_fov, args.channels))
    azimuth = np.pi - 2 * np.pi * (np.arange(rays_per_channel) + 0.5) / rays_per_channel
    azimuth, elevation = (grid.ravel() for grid in np.meshgrid(azimuth, elevation, indexing="ij"))
    flat = np.cos(elevation)
    return np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=1)


def _cast(world: World, world_SE3_sensor: Matrix, rays: np.ndarray) -> _Cast:
    x, y, z = (rays[:, i, None] * world_SE3_sensor[:3, i] for i in range(3))
    directions = (x + y + z).astype(np.float32)
    origins = np.ascontiguousarray(np.broadcast_to(world_SE3_sensor[:3, 3].astype(np.float32), directions.shape))
    behind = world.cast_opaque(origins, directions)
    return _Cast(origins, directions, behind.nearer(world.cast_camouflaged(origins, directions)), behind)


def _camouflage(world: World, cast: _Cast, light: Float32) -> None:
    """Shade the pixels of camouflaged parts, in place."""
    hidden = np.flatnonzero(cast.hits.distance < cast.behind.distance)
    way = cast.directions[hidden]
    way = way / np.sqrt(dot(way, way))[:, None]
    sun = np.float32(world.scene.weather.sun_direction)
    light[hidden] = camouflaged_light(light[hidden], cast.hits.normal[hidden], way, sun)


def _intensity(world: World, cast: _Cast) -> Float32:
    """Intensity (N,) in [0, 1] of each ray's return; 0 where there is none."""
    hits = cast.hits
    hidden = (hits.distance < cast.behind.distance) & (cast.behind.part != NO_PART)
    part = np.where(hidden, cast.behind.part, hits.part)
    normal = np.where(hidden[:, None], cast.behind.normal, hits.normal)
    distance = np.where(hidden, cast.behind.distance, hits.distance)
    incidence = np.abs(dot(normal, cast.directions))
    reflected = world.table.reflectivity[part] * (np.float32(0.25) + np.float32(0.75) * incidence)
    weakened = reflected * np.exp(-np.float32(ATTENUATION_PER_M) * distance)
    return np.asarray(np.where(hits.part == NO_PART, 0, np.clip(weakened, 0, 1)), dtype=np.float32)
