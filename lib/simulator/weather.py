"""Weather presets, and their light, fog, wetness and image noise.

A preset is `[FOGGY_]<sky>_<time>`, sky one of CLEAR, CLOUDY, WET, WET_CLOUDY, SOFT_RAIN, MID_RAIN, HARD_RAIN and time
one of NOON, SUNSET, NIGHT, for example SOFT_RAIN_SUNSET. Those without fog and night are AnoVox's 14, in its spelling.
"""

from typing import Final

import numpy as np

from lib.simulator.scene import Weather

DRY_SKIES: Final = ("CLEAR", "CLOUDY", "WET", "WET_CLOUDY")
RAINY_SKIES: Final = ("SOFT_RAIN", "MID_RAIN", "HARD_RAIN")
_OVERCAST: Final = {
    "CLEAR": 0.0, "CLOUDY": 0.65, "WET": 0.15, "WET_CLOUDY": 0.7, "SOFT_RAIN": 0.75, "MID_RAIN": 0.85, "HARD_RAIN": 1.0,
}  # fmt: skip
_WETNESS: Final = {
    "CLEAR": 0.0, "CLOUDY": 0.0, "WET": 0.6, "WET_CLOUDY": 0.6, "SOFT_RAIN": 0.6, "MID_RAIN": 0.8, "HARD_RAIN": 1.0,
}  # fmt: skip

_ANOVOX_SPELLING: Final = {"MID_RAIN_NOON": "MID_RAINY_NOON", "WET_CLOUDY_SUNSET": "WET_CLOUDYSUNSET"}
_OUR_SPELLING: Final = {theirs: ours for ours, theirs in _ANOVOX_SPELLING.items()}


def preset_name(rng: np.random.Generator, night: bool, fog: bool, rain: bool) -> str:
    """A preset's name for the given conditions."""
    sky = str(rng.choice(RAINY_SKIES)) if rain else str(rng.choice(DRY_SKIES, p=(0.5, 0.25, 0.1, 0.15)))
    time = "NIGHT" if night else str(rng.choice(("NOON", "SUNSET"), p=(0.7, 0.3)))
    name = f"{'FOGGY_' if fog else ''}{sky}_{time}"
    return _ANOVOX_SPELLING.get(name, name)


def build_weather(preset: str, rng: np.random.Generator) -> Weather:
    """The weather of a preset, with random sun direction and fog density."""
    name = _OUR_SPELLING.get(preset, preset).removeprefix("FOGGY_")
    sky, time = name.rsplit("_", 1)
    overcast, night, fog = _OVERCAST[sky], time == "NIGHT", preset.startswith("FOGGY_")
    elevation_deg = {"NOON": rng.uniform(38, 70), "SUNSET": rng.uniform(9, 22), "NIGHT": rng.uniform(35, 65)}[time]
    elevation, azimuth = float(np.deg2rad(elevation_deg)), float(rng.uniform(0, 2 * np.pi))
    reach = float(np.cos(elevation))
    sun, ambient, horizon = _light(time, overcast)
    mixed = horizon + (0.6 if fog else 0.0) * (np.full(3, np.mean(horizon)) - horizon)
    return Weather(
        preset=preset,
        sun_direction=(reach * float(np.cos(azimuth)), reach * float(np.sin(azimuth)), float(np.sin(elevation))),
        sun_color=_rgb(sun * (0.5 if fog else 1.0)),
        ambient_color=_rgb(ambient),
        sky_color=_rgb(mixed),
        fog_density=float(rng.uniform(0.012, 0.04)) if fog else 0.0025 * overcast,
        night=night,
        wetness=_WETNESS[sky],
        camera_noise=float(rng.uniform(0.02, 0.035) if night else rng.uniform(0.006, 0.018)),
    )


def _light(time: str, overcast: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sun, ambient and sky colour (3,) each, interpolated between clear and overcast."""
    clear = {
        "NOON": ((1.00, 0.96, 0.88), (0.42, 0.46, 0.52), (0.50, 0.67, 0.90)),
        "SUNSET": ((0.95, 0.62, 0.36), (0.34, 0.33, 0.38), (0.83, 0.62, 0.50)),
        "NIGHT": ((0.10, 0.12, 0.17), (0.13, 0.14, 0.18), (0.03, 0.04, 0.08)),
    }[time]
    grey = {
        "NOON": ((0.16, 0.16, 0.16), (0.60, 0.61, 0.63), (0.68, 0.70, 0.72)),
        "SUNSET": ((0.14, 0.11, 0.09), (0.42, 0.39, 0.38), (0.55, 0.50, 0.48)),
        "NIGHT": ((0.03, 0.03, 0.04), (0.12, 0.12, 0.14), (0.05, 0.05, 0.06)),
    }[time]
    mixed = (1 - overcast) * np.array(clear) + overcast * np.array(grey)
    return mixed[0], mixed[1], mixed[2]


def _rgb(color: np.ndarray) -> tuple[float, float, float]:
    red, green, blue = color.tolist()
    return red, green, blue
