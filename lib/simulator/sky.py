"""The sky: gradient, clouds and glow of the sun. Linear light, float32, vectors and colours (3, N)."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from lib.simulator.patterns import lerp
from lib.simulator.raycast import Float32, dot
from lib.simulator.scene import Weather
from lib.simulator.textures import ValueNoise

_CLOUD_OCTAVES: Final = ((1.0, 0.55), (2.3, 0.30), (5.1, 0.15))
"""Frequency and weight of each octave."""
_CLEAR_ZENITH: Final = np.array([[0.28], [0.42], [0.68]], dtype=np.float32)
"""Colour at the zenith relative to the horizon's."""
_GREY_ZENITH: Final = np.full((3, 1), 0.8, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Light:
    """Light of a weather: colours and direction (3, 1); overcast in [0, 1]."""

    sun_direction: Float32
    sun: Float32
    ambient: Float32
    horizon: Float32
    zenith: Float32
    overcast: float
    fog_density: float

    @classmethod
    def of(cls, weather: Weather) -> "Light":
        """Light of a weather, whose sky colour is the displayed colour at the horizon."""
        direction, sun, ambient, shown = (
            np.array(color, dtype=np.float32)[:, None]
            for color in (weather.sun_direction, weather.sun_color, weather.ambient_color, weather.sky_color)
        )
        strength = float(sun.max() / max(float(ambient.max()), 1e-6))
        overcast = float(np.clip(1.2 - strength, 0.0, 1.0))
        zenith = shown**2 * lerp(_CLEAR_ZENITH, _GREY_ZENITH, np.full(1, overcast, dtype=np.float32))
        return cls(direction, sun, ambient, shown**2, zenith, overcast, weather.fog_density)


def sky_light(light: Light, directions: Float32, noise: ValueNoise) -> Float32:
    """Light (3, N) from the sky along unit directions (3, N), world frame; below the horizon that of the horizon."""
    x, y, z = directions
    height = np.clip(z, 0, 1)
    color = lerp(light.horizon, light.zenith, np.sqrt(height))
    clear = np.float32(1 - light.overcast)
    toward_sun = np.clip(dot(directions, light.sun_direction), 0, 1) ** 8
    color += clear * (np.float32(0.22) * toward_sun + np.float32(3.0) * toward_sun**64) * light.sun

    away = 1 / (height + np.float32(0.12))
    plane = np.stack([x * away, y * away, np.zeros_like(x)])
    cover = -np.full(len(x), 0.56 - 0.22 * light.overcast, dtype=np.float32)
    for rate, weight in _CLOUD_OCTAVES:
        cover += np.float32(weight) * noise(plane * np.float32(rate) + np.float32(3.7))
    cloud = np.float32(0.85) * np.clip(cover * 5, 0, 1) * np.clip(height * 7, 0, 1)
    bright = light.horizon.mean() * np.float32(0.75) + np.float32(0.55) * clear * light.sun * light.horizon.max()
    color = lerp(color, bright * (np.float32(1.15) - np.float32(0.55) * np.clip(cover * 2.2, 0, 1)), cloud)
    haze = np.exp(-np.float32(light.fog_density * 120) / np.maximum(height, np.float32(0.02)))
    return lerp(light.horizon, color, haze)
