"""Unusual textures and colours of anomalies. Pseudo-anomalies have none of these textures."""

from typing import Final

import numpy as np
from numpy.random import Generator

from lib.simulator.materials import Color, chance, darker, timber, varied
from lib.simulator.scene import Material, Texture

PATTERNS: Final = tuple(texture for texture in Texture if texture >= Texture.STRIPES)
_COLORS: Final[tuple[Color, ...]] = (
    (0.90, 0.10, 0.12), (0.95, 0.55, 0.05), (0.95, 0.88, 0.10), (0.20, 0.75, 0.20), (0.05, 0.60, 0.60),
    (0.10, 0.30, 0.85), (0.50, 0.15, 0.70), (0.92, 0.30, 0.62), (0.95, 0.95, 0.93), (0.04, 0.04, 0.05),
    (0.45, 0.25, 0.10), (0.70, 0.85, 0.95),
)  # fmt: skip


def _two_colors(rng: Generator) -> tuple[Color, Color]:
    """Two colours that differ clearly."""
    while True:
        first, second = rng.choice(len(_COLORS), 2, replace=False).tolist()
        if np.abs(np.subtract(_COLORS[first], _COLORS[second])).sum() > 0.7:
            return varied(rng, _COLORS[first], 0.02), varied(rng, _COLORS[second], 0.02)


def pattern(rng: Generator, extent_m: float, reflectivity: float) -> Material:
    """A bold two-coloured pattern, its period an eighth to a third of the object."""
    texture = PATTERNS[int(rng.integers(len(PATTERNS)))]
    scale = float(np.clip(extent_m * rng.uniform(0.12, 0.34), 0.10, 0.9))
    if texture == Texture.RINGS:
        scale /= 2
    return Material(texture, *_two_colors(rng), scale, 0.05, lidar_reflectivity=reflectivity)


def unusual(rng: Generator, extent_m: float, parts: int) -> list[Material]:
    """Materials of an unusual shape's parts: patterned (mostly), in bright plain colours, or wooden."""
    style = rng.random()
    if style < 0.15:
        wood = timber(rng)
        return [wood, *[Material(Texture.PLAIN, darker(wood.color, 0.6)) for _ in range(parts - 1)]]
    first, second = _two_colors(rng)
    if style < 0.40:
        loud = [Material(Texture.PLAIN, color, specular=0.2) for color in (first, second)]
        return [loud[i % 2] for i in range(parts)]
    accent = Material(Texture.METAL if chance(rng, 0.3) else Texture.PLAIN, second, specular=0.2)
    return [pattern(rng, extent_m, 0.4), *[accent] * (parts - 1)]


def sheet_material(rng: Generator, extent_m: float, reflectivity: float) -> Material:
    """A sheet's material: patterned, or one bright colour that roads do not have."""
    if chance(rng, 0.75):
        return pattern(rng, extent_m, reflectivity)
    loud = _COLORS[int(rng.integers(8))]
    return Material(Texture.PLAIN, varied(rng, loud, 0.02), specular=0.1, lidar_reflectivity=reflectivity)


def camouflage() -> Material:
    """A material that shows the background: visible by its geometry only."""
    return Material(Texture.PLAIN, (0.4, 0.4, 0.4), lidar_reflectivity=0.3, camouflage=True)
