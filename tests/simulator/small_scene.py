"""A street of a few boxes, small enough to know by heart."""

from dataclasses import replace
from typing import Any

import numpy as np

from lib.common.labels import BUILDING, CAR, POLE, ROAD
from lib.simulator.scene import Actor, Material, Part, Scene, Texture, Weather

ANOMALY = 33
GREY = Material(Texture.PLAIN, (0.5, 0.5, 0.5))
RED = Material(Texture.PLAIN, (0.8, 0.1, 0.1), lidar_reflectivity=0.6)
ASPHALT = Material(Texture.ASPHALT, (0.3, 0.3, 0.3), lidar_reflectivity=0.2)
_CORNERS = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=np.float32)
_FACES = np.array(
    [(0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1), (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4),
     (1, 5, 7), (1, 7, 3)],
    dtype=np.int32,
)  # fmt: skip


def box(low: tuple, high: tuple, material: Material, class_id: int, instance_id: int = 0) -> Part:
    lowest, highest = np.array([low, high], dtype=np.float32)
    vertices = lowest + _CORNERS * (highest - lowest)
    return Part(vertices, _FACES, material, class_id, instance_id)


def weather(**changes: Any) -> Weather:
    noon = Weather(
        preset="CLEAR_NOON",
        sun_direction=(0.0, 0.6, 0.8),
        sun_color=(1.0, 0.96, 0.88),
        ambient_color=(0.42, 0.46, 0.52),
        sky_color=(0.5, 0.67, 0.9),
        fog_density=0.0,
        night=False,
        wetness=0.0,
        camera_noise=0.0,
    )
    return replace(noon, **changes)


NIGHT: dict[str, Any] = {
    "night": True,
    "sun_color": (0.05, 0.06, 0.08),
    "ambient_color": (0.10, 0.11, 0.14),
    "sky_color": (0.03, 0.04, 0.08),
    "preset": "CLEAR_NIGHT",
}


def small_scene(*extra: Part, **changes: Any) -> Scene:
    """Road, a house on the left 10 m ahead, a pole on the right, and a car that drives away at 5 m/s; plus `extra`."""
    car = Actor((box((-2, -0.9, 0.2), (2, 0.9, 1.5), RED, CAR, 7),), (12.0, -4.0), 0.0, 5.0)
    parts = (
        box((-150, -150, -1), (150, 150, 0), ASPHALT, ROAD),
        box((10, 6, 0), (25, 14, 8), GREY, BUILDING),
        box((9, -6.2, 0), (9.2, -6, 6), GREY, POLE, 3),
        *extra,
    )
    scene = Scene(
        static_parts=parts,
        actors=(car,),
        weather=weather(),
        ego_start_xy_m=(0.0, 0.0),
        ego_yaw_rad=0.0,
        ego_speed_mps=6.0,
        ego_route_xy_m=np.column_stack([np.arange(120.0), np.zeros(120)]),
        texture_seed=5,
        lidar_dropout=0.0,
    )
    return replace(scene, **changes)
