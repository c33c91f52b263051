"""The simulator's scene: built by scene_builder.py and anomalies/, recorded by sensors.py.

World frame: x along the street in driving direction, y left, z up; metres; the road's surface is z = 0.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import numpy.typing as npt


class Texture(IntEnum):
    """Surface patterns. Those from STRIPES on occur on anomalies only; pseudo-anomalies use none of them."""

    PLAIN = 0  # one colour, slight value noise
    ASPHALT = 1  # fine dark grain, patches
    CONCRETE = 2  # light grain, slab joints each scale_m
    GRASS = 3
    BRICK = 4
    WINDOWS = 5  # a facade: window grid of scale_m, color2 = glass
    FOLIAGE = 6
    WOOD = 7
    METAL = 8
    PAINT_WORN = 9  # road paint, worn
    POSTER = 10  # a normal sign or advertisement: blocks of colour and color2
    STRIPES = 20
    CHECKS = 21
    DOTS = 22
    RINGS = 23
    ZIGZAG = 24
    PLAID = 25
    HAZARD = 26  # diagonal bands


@dataclass(frozen=True)
class Material:
    """Appearance of a surface. Colours are RGB in [0, 1]; `scale_m` is the pattern's period [m]."""

    texture: Texture
    color: tuple[float, float, float]
    color2: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale_m: float = 0.5
    specular: float = 0.0
    emissive: float = 0.0
    lidar_reflectivity: float = 0.4
    camouflage: bool = False
    """Show the background that the camera would see without this surface, for geometry-only anomalies."""


@dataclass(frozen=True, eq=False)
class Part:
    """A triangle mesh of one material and one class: vertices (V, 3) float32 [m], faces (F, 3) int32."""

    vertices_m: npt.NDArray[np.float32]
    faces: npt.NDArray[np.int32]
    material: Material
    class_id: int
    instance_id: int


@dataclass(frozen=True, eq=False)
class Motion:
    """Where something that does not move steadily is, every `step_s` from `start_s` on: xy_m (T, 2) on the ground,
    yaw_rad (T,), dive_rad (T,): how far its nose is down; speed_mps (T,).
    """

    start_s: float
    step_s: float
    xy_m: npt.NDArray[np.float64]
    yaw_rad: npt.NDArray[np.float64]
    dive_rad: npt.NDArray[np.float64]
    speed_mps: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Actor:
    """Parts that move together. Their frame has its origin on the ground and x forward."""

    parts: tuple[Part, ...]
    start_xy_m: tuple[float, float]
    yaw_rad: float
    speed_mps: float
    """Along the actor's own x axis, so position(t) = start + t * speed * (cos yaw, sin yaw)."""
    motion: Motion | None = None
    """In place of start, yaw and speed."""


@dataclass(frozen=True, eq=False)
class Lead:
    """The vehicle ahead of a dynamic scenario's ego: its parts have the class AGENT_CAR. `class_id`: its true class;
    labelled: indices of the frames in which it is the anomaly.
    """

    actor: Actor
    blueprint: str
    class_id: int
    labelled: range


@dataclass(frozen=True)
class Weather:
    """Light and weather of a scenario; `preset` is AnoVox's name, such as SOFT_RAIN_SUNSET."""

    preset: str
    sun_direction: tuple[float, float, float]
    """Unit vector towards the sun (or moon), world frame."""
    sun_color: tuple[float, float, float]
    ambient_color: tuple[float, float, float]
    sky_color: tuple[float, float, float]
    fog_density: float
    """Extinction per metre; 0 = clear."""
    night: bool
    wetness: float
    """0 dry to 1 wet: darker, shinier ground."""
    camera_noise: float
    """Standard deviation of the image noise, for pixel values in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything in one scenario, before any sensor records it."""

    static_parts: tuple[Part, ...]
    actors: tuple[Actor, ...]
    weather: Weather
    ego_start_xy_m: tuple[float, float]
    ego_yaw_rad: float
    ego_speed_mps: float
    ego_route_xy_m: npt.NDArray[np.float64]
    """(N, 2) waypoints of the ego's lane [m, world], 1 m apart, beyond what the ego drives."""
    texture_seed: int
    lidar_dropout: float
    """Fraction of LiDAR rays that are dropped at random; puddles and glass lose more."""
    anomaly_size: str | None = None
    anomaly_kind: str | None = None
    anomaly_blueprint: str | None = None
    anomaly_class_id: int | None = None
    anomaly_position_m: tuple[float, float, float] | None = None
    anomaly_yaw_rad: float | None = None
    usual_actors: tuple[Actor, ...] = ()
    """Normal content in the anomaly's place while it is absent. The anomaly is the last of `actors`."""
    ego_motion: Motion | None = None
    """In place of the ego's start, yaw and speed."""
    ego_pedals: npt.NDArray[np.float64] | None = None
    """(T, 2) throttle and brake, 0 to 1, at the times of `ego_motion`."""
    lead: Lead | None = None


def without_anomaly(scene: Scene) -> Scene:
    """The scene while its anomaly is absent."""
    return replace(scene, actors=(*scene.actors[:-1], *scene.usual_actors), usual_actors=())
