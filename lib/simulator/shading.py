"""Light along the camera's rays: surfaces lit by sun, sky, lamps and headlights, seen through fog.

Linear light, float32, vectors and colours (3, N), world frame.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.labels import TERRAIN, VEGETATION
from lib.geometry.rigid import Matrix, apply
from lib.simulator.patterns import lerp
from lib.simulator.raycast import NO_PART, Float32, Hits, dot, length
from lib.simulator.sky import Light, sky_light
from lib.simulator.textures import Surface, SurfacePoints, ValueNoise, surface
from lib.simulator.world import World

CAMOUFLAGE_SHADING: Final = 0.18
"""Largest relative darkening of a camouflaged surface by its own shape."""
_HEADLIGHT_PLACE_M: Final = (2.0, 0.0, 0.7)
_HEADLIGHT_COLOR: Final = np.array([[1.0], [0.88], [0.66]], dtype=np.float32)
_WINDOW_COLOR: Final = np.array([[0.50], [0.30], [0.12]], dtype=np.float32)
_MIN_SUN: Final = 0.02
_MIN_MIRROR: Final = 0.03
_RIPPLE: Final = 0.05
"""Largest tilt of wet ground's normals."""
_LAMP_REACH_M: Final = 18.0
_RAYS_PER_BLOCK: Final = 16384
"""Rays per block: small enough for the processor's cache."""


@dataclass(frozen=True, eq=False)
class View:
    """A camera's N rays: origin (3, 1), directions (3, N) of any length, the angle of a pixel, the vehicle's pose."""

    origin_m: Float32
    directions: Float32
    pixel_angle_rad: float
    world_SE3_ego: Matrix


@dataclass(frozen=True, eq=False)
class _Points:
    """Hit points of M rays. forward: unit direction of the ray; facing: cosine between normal and -forward."""

    position_m: Float32
    normal: Float32
    forward: Float32
    range_m: Float32
    facing: Float32
    part: npt.NDArray[np.int32]


def image_light(world: World, view: View, hits: Hits, noise: ValueNoise) -> Float32:
    """Light (3, N) along the view's rays, given their first hits on opaque parts."""
    light = Light.of(world.scene.weather)
    color = np.empty_like(view.directions)
    for start in range(0, color.shape[1], _RAYS_PER_BLOCK):
        rays = slice(start, start + _RAYS_PER_BLOCK)
        color[:, rays] = _light(world, view, light, view.directions[:, rays], hits.of(rays), noise)
    return color


def camouflaged_light(light_behind: Float32, normal: Float32, forward: Float32, sun_direction: Float32) -> Float32:
    """Light (3, N) from the background of a camouflaged surface, slightly shaded by the surface's own shape."""
    toward_sun = np.float32(0.5) + np.float32(0.5) * dot(normal, sun_direction)
    toward_eye = np.abs(dot(normal, forward))
    shape = np.float32(0.6) * toward_sun + np.float32(0.4) * toward_eye
    return np.asarray(light_behind * (1 - np.float32(CAMOUFLAGE_SHADING) * (1 - shape)))


def _light(world: World, view: View, light: Light, directions: Float32, hits: Hits, noise: ValueNoise) -> Float32:
    stretch = length(directions)
    forward = np.asarray(directions / stretch, dtype=np.float32)
    color = np.empty_like(directions)
    sky = np.flatnonzero(hits.part == NO_PART)
    color[:, sky] = sky_light(light, forward[:, sky], noise)
    seen = np.flatnonzero(hits.part != NO_PART)
    way, range_m, hits = forward[:, seen], hits.distance[seen] * stretch[seen], hits.of(seen)
    points = _Points(view.origin_m + way * range_m, hits.normal, way, range_m, -dot(way, hits.normal), hits.part)
    air = np.exp(np.float32(-light.fog_density) * points.range_m)
    color[:, seen] = lerp(light.horizon, _shade(world, view, light, points, noise), air)
    return color


def _shade(world: World, view: View, light: Light, points: _Points, noise: ValueNoise) -> Float32:
    """Light (3, M) that leaves the points towards the camera."""
    table, night = world.table, world.scene.weather.night
    textured = _surface(world, view, points, noise)
    wet = _wetness(world, points, noise)
    incoming, sunlit = _daylight(world, light, points)
    if night:
        incoming += _headlights(points, view.world_SE3_ego) + _lamplight(world, points)
    color = textured.albedo * (1 - np.float32(0.5) * wet) * incoming
    color += textured.albedo * (np.float32(2.5 if night else 1.0) * table.emissive[points.part])
    if night:
        color += textured.lit * _WINDOW_COLOR
    gloss = table.specular[points.part] + np.float32(0.8) * textured.glass
    return _add_mirror(world, light, points, noise, color, np.minimum(np.maximum(gloss, wet), 1), sunlit)


def _surface(world: World, view: View, points: _Points, noise: ValueNoise) -> Surface:
    """Textures at the points, evaluated in the frames of their objects."""
    table, part = world.table, points.part
    cosine, sine, place_x, place_y = table.pose.take(part, axis=1)
    x, y, z = points.position_m
    x, y = x - place_x, y - place_y
    local = np.stack([cosine * x + sine * y, cosine * y - sine * x, z])
    x, y, z = points.normal
    normal = np.stack([cosine * x + sine * y, cosine * y - sine * x, z])
    slant = np.sqrt(np.maximum(points.facing, np.float32(0.02)))
    footprint = np.asarray(points.range_m * np.float32(view.pixel_angle_rad) / slant, dtype=np.float32)
    colors = table.color.take(part, axis=1), table.color2.take(part, axis=1)
    return surface(SurfacePoints(local, normal, footprint, table.texture[part], *colors, table.scale_m[part]), noise)


def _wetness(world: World, points: _Points, noise: ValueNoise) -> Float32:
    """Wetness (M,) in [0, 1]: high in hollows of paved ground, low on soil, leaves and walls."""
    wetness = np.float32(world.scene.weather.wetness)
    wet = np.full(len(points.part), np.float32(0.12) * wetness)
    if wetness == 0:
        return wet
    classes = world.table.class_id[points.part]
    paved = (classes != TERRAIN) & (classes != VEGETATION)
    ground = np.flatnonzero((points.normal[2] > 0.9) & (points.position_m[2] < 0.3) & paved)
    hollow = noise(points.position_m[:, ground] * np.float32(0.35))
    wet[ground] = wetness * (np.float32(0.25) + np.float32(0.65) * np.clip(hollow * 4 - np.float32(2.0), 0, 1))
    return wet


def _daylight(world: World, light: Light, points: _Points) -> tuple[Float32, Float32]:
    """Incoming light (3, M) of sun and sky, and the fraction (M,) of sunlight that is not shadowed."""
    up = points.normal[2]
    low = np.clip(points.position_m[2] / np.float32(0.8), 0, 1)
    sky_fraction = np.float32(0.72) + np.float32(0.28) * up
    sky_fraction *= np.where(up > 0.5, np.float32(1), np.float32(0.62) + np.float32(0.38) * low)
    sky_fraction[_covered(world, points)] *= np.float32(0.38)
    sunlit = np.zeros_like(up)
    if light.sun.max() <= _MIN_SUN:
        return sky_fraction * light.ambient, sunlit
    cosine = dot(points.normal, light.sun_direction)
    turned = np.flatnonzero(cosine > 0)
    starts = _lifted(points, turned)
    sunlit[turned] = ~world.shadowed(starts, np.broadcast_to(light.sun_direction, starts.shape))
    return sky_fraction * light.ambient + (sunlit * cosine) * light.sun, sunlit


def _covered(world: World, points: _Points) -> npt.NDArray[np.intp]:
    """Points on the ground with something close above them: under cars, tables, bushes."""
    ground = np.flatnonzero((points.normal[2] > 0.7) & (points.position_m[2] < 0.4) & (points.range_m < 50))
    starts = _lifted(points, ground)
    up = np.zeros_like(starts)
    up[2] = 1
    return np.asarray(ground[world.shadowed(starts, up, reach=1.6)])


def _lifted(points: _Points, chosen: npt.NDArray[np.intp]) -> Float32:
    """Positions (3, K) [m] slightly above the surface, so that a ray from there does not hit it."""
    lift = np.float32(4e-3) + np.float32(1e-4) * points.range_m[chosen]
    return np.asarray(points.position_m[:, chosen] + points.normal[:, chosen] * lift)


def _headlights(points: _Points, world_SE3_ego: Matrix) -> Float32:
    """Light (3, M) of the ego vehicle's low beam: a warm, flat cone that fades with distance."""
    heading, side = world_SE3_ego[:3, :2].astype(np.float32).T
    way = points.position_m - apply(world_SE3_ego, np.array(_HEADLIGHT_PLACE_M)).astype(np.float32)[:, None]
    ahead = np.maximum(dot(way, heading), np.float32(0.05))
    sideways, upwards = np.abs(dot(way, side)) / ahead, way[2] / ahead
    distance = np.maximum(length(way), np.float32(0.1))
    cone = np.clip(np.float32(1.25) - np.float32(1.3) * sideways, 0, 1) ** 2
    cutoff = np.clip(1 - np.float32(9.0) * upwards, np.float32(0.06), 1)
    lambert = np.float32(0.3) + np.float32(0.7) * np.clip(-dot(way, points.normal) / distance, 0, 1)
    strength = np.float32(2.6) * cone * cutoff * lambert / (1 + (distance / 8) ** 2)
    return np.asarray(strength * _HEADLIGHT_COLOR)


def _lamplight(world: World, points: _Points) -> Float32:
    """Light (3, M) of the street lamps, each a cone downwards."""
    incoming = np.zeros_like(points.position_m)
    for lamp in world.lamps:
        place = np.array(lamp.position_m, dtype=np.float32)[:, None]
        x, y, _ = np.abs(points.position_m - place)
        near = np.flatnonzero((x < _LAMP_REACH_M) & (y < _LAMP_REACH_M))
        way = place - points.position_m[:, near]
        squared = np.maximum(dot(way, way), np.float32(1e-4))
        distance = np.sqrt(squared)
        cone = np.clip(way[2] / distance * np.float32(1.8) - np.float32(0.5), 0, 1)
        lambert = np.clip(dot(way, points.normal[:, near]) / distance, 0, 1)
        fade = np.clip(np.float32(1.3) - distance / np.float32(_LAMP_REACH_M), 0, 1)
        strength = np.float32(26.0) * cone * lambert * fade / (squared + np.float32(4.0))
        incoming[:, near] += strength * np.array(lamp.color, dtype=np.float32)[:, None]
    return incoming


def _add_mirror(
    world: World, light: Light, points: _Points, noise: ValueNoise, color: Float32, gloss: Float32, sunlit: Float32
) -> Float32:
    """Add reflections at shiny points: sky, sun, and objects along the reflected rays."""
    grazing = (1 - np.clip(points.facing, 0, 1)) ** 5
    weight = gloss * (np.float32(0.05) + np.float32(0.65) * grazing + np.float32(0.07) * gloss)
    shiny = np.flatnonzero(weight > _MIN_MIRROR)
    way, normal = points.forward[:, shiny], points.normal[:, shiny]
    if world.scene.weather.wetness > 0:
        normal = _rippled(normal, points.position_m[:, shiny], noise)
    mirrored = way - 2 * dot(way, normal) * normal
    hits = world.cast_opaque(_lifted(points, shiny), mirrored)
    found, sky = np.flatnonzero(hits.part != NO_PART), np.flatnonzero(hits.part == NO_PART)
    image = np.empty_like(mirrored)
    image[:, found] = _glimpse(world, light, hits.of(found))
    image[:, sky] = sky_light(light, mirrored[:, sky], noise)
    spot = np.clip(dot(mirrored, light.sun_direction), 0, 1) ** 120 * sunlit[shiny] * gloss[shiny]
    color[:, shiny] = lerp(color[:, shiny], image, weight[shiny]) + (np.float32(1.5) * spot) * light.sun
    return color


def _rippled(normal: Float32, position_m: Float32, noise: ValueNoise) -> Float32:
    """Normals (3, K), slightly tilted at random on horizontal ground; others unchanged."""
    tilt = np.float32(_RIPPLE) * (normal[2] > 0.9)
    sideways = noise(position_m * np.float32(23.0)) - np.float32(0.5)
    ahead = noise(position_m * np.float32(29.0) + np.float32(5.1)) - np.float32(0.5)
    return np.stack([normal[0] + tilt * ahead, normal[1] + tilt * sideways, normal[2]])


def _glimpse(world: World, light: Light, hits: Hits) -> Float32:
    """Approximate light (3, K) from the hits of reflected rays: without texture and shadows."""
    sun = np.float32(0.5) * np.clip(dot(hits.normal, light.sun_direction), 0, 1) * light.sun
    glow = world.table.emissive[hits.part] * np.float32(2.5 if world.scene.weather.night else 1.0)
    incoming = np.float32(0.8) * light.ambient + sun + glow
    return np.asarray(world.table.color.take(hits.part, axis=1) * incoming)
