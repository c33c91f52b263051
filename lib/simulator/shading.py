"""What the camera's rays bring home: surfaces under sun, sky, lamps and headlights, through fog. Linear light, float32."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.geometry.rigid import Matrix
from lib.labels import TERRAIN, VEGETATION
from lib.simulator.raycast import NO_PART, Float32, Hits, dot
from lib.simulator.sky import Light, sky_light
from lib.simulator.textures import Surface, SurfacePoints, ValueNoise, surface
from lib.simulator.world import World

CAMOUFLAGE_SHADING: Final = 0.18
"""How much darker a camouflaged surface may get by its own shape."""
_HEADLIGHT_PLACE_M: Final = (2.0, 0.0, 0.7)
_HEADLIGHT_COLOR: Final = np.float32((1.0, 0.88, 0.66))
_WINDOW_COLOR: Final = np.float32((1.0, 0.72, 0.38))
_MIN_SUN: Final = 0.02
_MIN_MIRROR: Final = 0.03
_LAMP_REACH_M: Final = 18.0


@dataclass(frozen=True, eq=False)
class View:
    """A camera's N rays in the world: origin (3,), directions (N, 3) of any length, and the angle of a pixel [rad]."""

    origin_m: Float32
    directions: Float32
    pixel_angle_rad: float

    def origins(self) -> Float32:
        """The origin once per ray (N, 3)."""
        return np.ascontiguousarray(np.broadcast_to(self.origin_m, self.directions.shape), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class _Points:
    """Where M rays hit: all (M, 3) or (M,), world frame."""

    position_m: Float32
    normal: Float32
    forward: Float32
    """Unit direction of the ray."""
    range_m: Float32
    facing: Float32
    """Cosine between normal and the way back."""
    part: npt.NDArray[np.int32]


def picture_light(world: World, view: View, hits: Hits, noise: ValueNoise, world_SE3_ego: Matrix) -> Float32:
    """Light (N, 3) along the view's rays, given their first hits on opaque parts."""
    light, weather = Light.of(world.scene.weather), world.scene.weather
    length = np.sqrt(dot(view.directions, view.directions))
    forward = view.directions / length[:, None]
    color = np.empty_like(forward)
    sky = hits.part == NO_PART
    color[sky] = sky_light(light, weather.fog_density, forward[sky], noise)
    seen = np.flatnonzero(~sky)
    points = _points(view, hits, forward, length, seen)
    clear = np.exp(np.float32(-weather.fog_density) * points.range_m)[:, None]
    shaded = _shade(world, view, light, points, noise, world_SE3_ego)
    color[seen] = light.horizon + clear * (shaded - light.horizon)
    return color


def camouflaged_light(light_behind: Float32, normal: Float32, forward: Float32, sun_direction: Float32) -> Float32:
    """The light (N, 3) of what lies behind a camouflaged surface, shaded a little by the surface's own shape."""
    toward_sun = 0.5 + 0.5 * dot(normal, sun_direction)
    toward_eye = np.abs(dot(normal, forward))
    shape = np.float32(0.6) * toward_sun + np.float32(0.4) * toward_eye
    return np.asarray(light_behind * (1 - np.float32(CAMOUFLAGE_SHADING) * (1 - shape))[:, None])


def _points(view: View, hits: Hits, forward: Float32, length: Float32, seen: npt.NDArray[np.intp]) -> _Points:
    way, normal, part = forward[seen], hits.normal[seen], hits.part[seen]
    range_m = hits.distance[seen] * length[seen]
    position = view.origin_m + way * range_m[:, None]
    return _Points(position, normal, way, range_m, -dot(way, normal), part)


def _shade(
    world: World, view: View, light: Light, points: _Points, noise: ValueNoise, world_SE3_ego: Matrix
) -> Float32:
    """Light (M, 3) that leaves the points towards the camera."""
    weather, table = world.scene.weather, world.table
    look = _look(world, view, points, noise)
    up = points.normal[:, 2]
    wet = _wetness(world, points, noise)
    albedo = look.albedo * (1 - np.float32(0.5) * np.minimum(wet, 1))[:, None]

    incoming, sunlit = _daylight(world, light, points)
    if weather.night:
        incoming = incoming + _headlights(points, world_SE3_ego) + _lamplight(world, points)
    color = albedo * incoming
    strength = np.float32(2.5 if weather.night else 1.0)
    color += look.albedo * (strength * table.emissive[points.part])[:, None]
    if weather.night:
        color += (np.float32(0.5) * look.lit)[:, None] * _WINDOW_COLOR

    gloss = np.maximum(table.specular[points.part] + np.float32(0.8) * look.glass, wet * (up > 0.5))
    return _add_mirror(world, light, points, noise, color, np.minimum(gloss, 1), sunlit)


def _look(world: World, view: View, points: _Points, noise: ValueNoise) -> Surface:
    """Textures at the points, in the frames that the textures are fixed to."""
    table, part = world.table, points.part
    cosine, sine, x, y = table.pose[part].T
    away_x, away_y = points.position_m[:, 0] - x, points.position_m[:, 1] - y
    local = np.stack(
        [cosine * away_x + sine * away_y, cosine * away_y - sine * away_x, points.position_m[:, 2]], axis=1
    )
    normal_x, normal_y, normal_z = points.normal.T
    normal = np.stack([cosine * normal_x + sine * normal_y, cosine * normal_y - sine * normal_x, normal_z], axis=1)
    footprint = points.range_m * np.float32(view.pixel_angle_rad) / np.sqrt(np.maximum(points.facing, np.float32(0.02)))
    return surface(
        SurfacePoints(
            local, normal, footprint, table.texture[part], table.color[part], table.color2[part], table.scale_m[part]
        ),
        noise,
    )


def _wetness(world: World, points: _Points, noise: ValueNoise) -> Float32:
    """How wet the ground is, in [0, 1]: rain gathers in hollows; soil and leaves do not shine."""
    wetness = np.float32(world.scene.weather.wetness)
    if wetness == 0:
        return np.zeros(len(points.part), dtype=np.float32)
    classes = world.table.class_id[points.part]
    ground = (
        (points.normal[:, 2] > 0.9) & (points.position_m[:, 2] < 0.3) & (classes != TERRAIN) & (classes != VEGETATION)
    )
    hollow = np.clip((noise(points.position_m * np.float32(0.35)) - np.float32(0.45)) * 4, 0, 1)
    return np.asarray(wetness * np.where(ground, np.float32(0.35) + np.float32(0.65) * hollow, np.float32(0.15)))


def _daylight(world: World, light: Light, points: _Points) -> tuple[Float32, Float32]:
    """Incoming light (M, 3) of sun and sky, and the share (M,) of the sun that arrives."""
    up = points.normal[:, 2]
    sky_share = np.float32(0.72) + np.float32(0.28) * up
    low = np.clip(points.position_m[:, 2] / np.float32(0.8), 0, 1)
    sky_share = sky_share * np.where(up > 0.5, np.float32(1), np.float32(0.62) + np.float32(0.38) * low)
    sky_share[_covered(world, points)] *= np.float32(0.38)
    incoming = sky_share[:, None] * light.ambient
    sunlit = np.zeros(len(up), dtype=np.float32)
    if light.sun.max() > _MIN_SUN:
        cosine = dot(points.normal, light.sun_direction)
        turned = np.flatnonzero(cosine > 0)
        starts = _lifted(points, turned)
        toward = np.ascontiguousarray(np.broadcast_to(light.sun_direction, starts.shape))
        sunlit[turned] = ~world.shadowed(starts, toward)
        incoming = incoming + (sunlit * np.maximum(cosine, 0))[:, None] * light.sun
    return incoming, sunlit


def _covered(world: World, points: _Points) -> npt.NDArray[np.intp]:
    """Points on the ground with something close above them: under cars, tables, bushes."""
    ground = np.flatnonzero((points.normal[:, 2] > 0.7) & (points.position_m[:, 2] < 0.4) & (points.range_m < 60))
    starts = _lifted(points, ground)
    up = np.zeros_like(starts)
    up[:, 2] = 1
    return ground[world.shadowed(starts, up, reach=1.6)]


def _lifted(points: _Points, chosen: npt.NDArray[np.intp]) -> Float32:
    """The points a little above their surface, so that a ray from there does not hit it."""
    lift = np.float32(4e-3) + np.float32(1e-4) * points.range_m[chosen]
    return np.asarray(points.position_m[chosen] + points.normal[chosen] * lift[:, None], dtype=np.float32)


def _headlights(points: _Points, world_SE3_ego: Matrix) -> Float32:
    """Light (M, 3) of the ego vehicle's low beam: a warm, flat cone that fades with distance."""
    heading, side = np.float32(world_SE3_ego[:3, 0]), np.float32(world_SE3_ego[:3, 1])
    place = np.float32(world_SE3_ego[:3, 3] + world_SE3_ego[:3, :3] @ np.array(_HEADLIGHT_PLACE_M))
    way = points.position_m - place
    ahead = np.maximum(dot(way, heading), np.float32(0.05))
    sideways, upwards = np.abs(dot(way, side)) / ahead, way[:, 2] / ahead
    distance = np.sqrt(dot(way, way))
    cone = np.clip(np.float32(1.25) - np.float32(1.3) * sideways, 0, 1) ** 2
    cutoff = np.clip(np.float32(1.0) - np.float32(9.0) * upwards, np.float32(0.06), 1)
    lambert = np.float32(0.3) + np.float32(0.7) * np.clip(-dot(way, points.normal) / np.maximum(distance, 0.1), 0, 1)
    strength = np.float32(2.6) * cone * cutoff * lambert / (1 + (distance / np.float32(8.0)) ** 2)
    return np.asarray(strength[:, None] * _HEADLIGHT_COLOR)


def _lamplight(world: World, points: _Points) -> Float32:
    """Light (M, 3) of the street lamps, each a cone downwards."""
    incoming = np.zeros_like(points.position_m)
    for lamp in world.lamps:
        place = np.float32(lamp.position_m)
        away = np.abs(points.position_m[:, :2] - place[:2]).max(axis=1)
        near = np.flatnonzero((away < _LAMP_REACH_M) & (points.position_m[:, 2] < place[2] + 0.5))
        way = place - points.position_m[near]
        squared = dot(way, way)
        distance = np.sqrt(squared)
        cone = np.clip(way[:, 2] / distance * np.float32(1.8) - np.float32(0.5), 0, 1)
        lambert = np.clip(dot(way, points.normal[near]) / distance, 0, 1)
        fade = np.clip(np.float32(1.3) - distance / np.float32(_LAMP_REACH_M), 0, 1)
        strength = np.float32(14.0) * cone * lambert * fade / (squared + np.float32(4.0))
        incoming[near] += strength[:, None] * np.float32(lamp.color)
    return incoming


def _add_mirror(
    world: World, light: Light, points: _Points, noise: ValueNoise, color: Float32, gloss: Float32, sunlit: Float32
) -> Float32:
    """Mix in what shiny points mirror: sky, sun, and what stands in the mirrored ray's way."""
    grazing = (1 - np.clip(points.facing, 0, 1)) ** 5
    share = gloss * (np.float32(0.05) + np.float32(0.65) * grazing + np.float32(0.07) * gloss)
    shiny = np.flatnonzero(share > _MIN_MIRROR)
    way, normal = points.forward[shiny], points.normal[shiny]
    mirrored = way - 2 * dot(way, normal)[:, None] * normal
    starts = _lifted(points, shiny)
    hits = world.cast_opaque(starts, np.ascontiguousarray(mirrored, dtype=np.float32))
    image = sky_light(light, world.scene.weather.fog_density, mirrored, noise)
    image[hits.part != NO_PART] = _glimpse(world, light, hits)
    spot = np.clip(dot(mirrored, light.sun_direction), 0, 1) ** 120 * sunlit[shiny] * gloss[shiny]
    color[shiny] += share[shiny, None] * (image - color[shiny]) + (np.float32(1.5) * spot)[:, None] * light.sun
    return color


def _glimpse(world: World, light: Light, hits: Hits) -> Float32:
    """Rough light (K, 3) of the K mirrored rays that hit something: no texture, no shadow."""
    found = hits.part != NO_PART
    part, normal = hits.part[found], hits.normal[found]
    sun = np.float32(0.5) * np.clip(dot(normal, light.sun_direction), 0, 1)
    incoming = np.float32(0.8) * light.ambient + sun[:, None] * light.sun
    glow = world.table.emissive[part] * np.float32(2.5 if world.scene.weather.night else 1.0)
    return np.asarray(world.table.color[part] * (incoming + glow[:, None]))
