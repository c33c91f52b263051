"""The sky: gradient, clouds and glow of the sun, in linear light."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from lib.simulator.raycast import Float32, dot
from lib.simulator.scene import Weather
from lib.simulator.textures import ValueNoise

_CLOUD_OCTAVES: Final = ((1.0, 0.55), (2.3, 0.30), (5.1, 0.15))
"""Rate and weight of each."""


@dataclass(frozen=True, eq=False)
class Light:
    """A weather's light, linear, (3,) float32 each; overcast in [0, 1]."""

    sun_direction: Float32
    sun: Float32
    ambient: Float32
    horizon: Float32
    zenith: Float32
    overcast: float

    @classmethod
    def of(cls, weather: Weather) -> "Light":
        """Light of a weather; its sky colour is what the picture shows at the horizon."""
        sun, ambient = np.float32(weather.sun_color), np.float32(weather.ambient_color)
        horizon = np.float32(weather.sky_color) ** 2
        strength = float(sun.max() / max(float(ambient.max()), 1e-6))
        overcast = float(np.clip(1.2 - strength, 0.0, 1.0))
        deep = np.float32((0.28, 0.42, 0.68))
        zenith = horizon * (deep + np.float32(overcast) * (np.float32(0.8) - deep))
        return cls(np.float32(weather.sun_direction), sun, ambient, horizon, zenith, overcast)


def sky_light(light: Light, fog_density: float, directions: Float32, noise: ValueNoise) -> Float32:
    """Light (N, 3) that comes from the sky along unit directions (N, 3), world frame; the horizon's below it."""
    x, y, z = directions.T
    height = np.clip(z, 0, 1)
    color = light.horizon + np.sqrt(height)[:, None] * (light.zenith - light.horizon)
    facing = np.clip(dot(directions, light.sun_direction), 0, 1) ** 8
    clear = np.float32(1 - light.overcast)
    glow = np.float32(0.22) * facing + np.float32(3.0) * facing**64
    color = color + (clear * glow)[:, None] * light.sun
    plane = np.stack([x, y, np.zeros_like(x)], axis=1) / (height + np.float32(0.12))[:, None]
    cover = sum(
        np.float32(weight) * noise(plane * np.float32(rate) + np.float32(3.7)) for rate, weight in _CLOUD_OCTAVES
    )
    threshold = np.float32(0.56 - 0.22 * light.overcast)
    cloud = np.clip((cover - threshold) * 5, 0, 1) * np.clip(height * 7, 0, 1)
    lit = light.horizon.mean() * np.float32(0.75) + np.float32(0.55) * clear * light.sun
    shade = lit * (np.float32(1.15) - np.float32(0.55) * np.clip((cover - threshold) * 2.2, 0, 1))[:, None]
    color = color + (np.float32(0.85) * cloud)[:, None] * (shade - color)
    haze = np.exp(-np.float32(fog_density * 120) / np.maximum(height, np.float32(0.02)))
    return np.asarray(light.horizon + haze[:, None] * (color - light.horizon), dtype=np.float32)
