"""Materials of normal surfaces, with random variation."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.random import Generator

from lib.simulator.scene import Material, Texture

Color = tuple[float, float, float]

ROAD_PAINT: Final = Material(Texture.PAINT_WORN, (0.82, 0.82, 0.80), (0.2, 0.2, 0.2), 0.3, 0.1, lidar_reflectivity=0.6)
YELLOW_PAINT: Final = replace(ROAD_PAINT, color=(0.80, 0.62, 0.12))
TYRE: Final = Material(Texture.PLAIN, (0.05, 0.05, 0.05), lidar_reflectivity=0.08)
RIM: Final = Material(Texture.METAL, (0.55, 0.56, 0.58), specular=0.5, lidar_reflectivity=0.4)
GLASS: Final = Material(Texture.PLAIN, (0.07, 0.09, 0.11), specular=0.9, lidar_reflectivity=0.08)
CHROME: Final = Material(Texture.METAL, (0.60, 0.61, 0.63), specular=0.8, lidar_reflectivity=0.5)
STEEL: Final = Material(Texture.METAL, (0.42, 0.43, 0.45), specular=0.4, lidar_reflectivity=0.45)
DARK_STEEL: Final = Material(Texture.METAL, (0.16, 0.17, 0.18), specular=0.3, lidar_reflectivity=0.3)
BLACK_PLASTIC: Final = Material(Texture.PLAIN, (0.07, 0.07, 0.08), specular=0.1, lidar_reflectivity=0.15)
NUMBER_PLATE: Final = Material(Texture.PLAIN, (0.88, 0.88, 0.82), lidar_reflectivity=0.9)
HEADLIGHT: Final = Material(Texture.PLAIN, (0.92, 0.92, 0.86), specular=0.7, lidar_reflectivity=0.7)
TAIL_LIGHT: Final = Material(Texture.PLAIN, (0.55, 0.04, 0.04), specular=0.5, lidar_reflectivity=0.7)
LIT_HEADLIGHT: Final = Material(Texture.PLAIN, (1.0, 0.97, 0.85), emissive=1.0, lidar_reflectivity=0.7)
LIT_TAIL_LIGHT: Final = Material(Texture.PLAIN, (0.95, 0.08, 0.05), emissive=0.8, lidar_reflectivity=0.7)
LAMP_GLOW: Final = Material(Texture.PLAIN, (1.0, 0.88, 0.62), emissive=1.0, lidar_reflectivity=0.3)
LAMP_OFF: Final = Material(Texture.PLAIN, (0.75, 0.75, 0.70), specular=0.3, lidar_reflectivity=0.3)
BARK: Final = Material(Texture.WOOD, (0.28, 0.21, 0.15), (0.18, 0.13, 0.09), 0.2, lidar_reflectivity=0.35)
MANHOLE: Final = Material(Texture.METAL, (0.20, 0.19, 0.18), specular=0.3, lidar_reflectivity=0.25)
PUDDLE: Final = Material(Texture.PLAIN, (0.13, 0.14, 0.16), specular=1.0, lidar_reflectivity=0.03)
OIL: Final = Material(Texture.PLAIN, (0.06, 0.06, 0.065), specular=0.5, lidar_reflectivity=0.08)
CRACK: Final = Material(Texture.PLAIN, (0.07, 0.07, 0.07), lidar_reflectivity=0.12)

_BODY_COLORS: Final[tuple[tuple[float, Color], ...]] = (
    (0.22, (0.85, 0.85, 0.85)),
    (0.18, (0.05, 0.05, 0.06)),
    (0.16, (0.30, 0.31, 0.33)),
    (0.12, (0.60, 0.61, 0.63)),
    (0.09, (0.08, 0.15, 0.38)),
    (0.08, (0.52, 0.05, 0.06)),
    (0.04, (0.36, 0.28, 0.20)),
    (0.03, (0.10, 0.26, 0.16)),
    (0.02, (0.88, 0.68, 0.08)),
    (0.02, (0.88, 0.38, 0.06)),
    (0.02, (0.20, 0.55, 0.70)),
    (0.01, (0.52, 0.72, 0.16)),
    (0.01, (0.55, 0.18, 0.50)),
)
_CLOTH_COLORS: Final[tuple[Color, ...]] = (
    (0.06, 0.06, 0.08), (0.10, 0.13, 0.25), (0.20, 0.28, 0.42), (0.35, 0.35, 0.36), (0.70, 0.70, 0.68),
    (0.42, 0.34, 0.25), (0.28, 0.30, 0.18), (0.55, 0.10, 0.12), (0.75, 0.60, 0.15), (0.15, 0.40, 0.35),
    (0.60, 0.35, 0.45), (0.80, 0.45, 0.10),
)  # fmt: skip
_WALL_COLORS: Final[tuple[Color, ...]] = (
    (0.72, 0.68, 0.60), (0.62, 0.60, 0.57), (0.78, 0.72, 0.58), (0.66, 0.50, 0.42), (0.55, 0.58, 0.60),
    (0.80, 0.79, 0.76), (0.58, 0.42, 0.36), (0.48, 0.52, 0.46), (0.74, 0.62, 0.50),
)  # fmt: skip
_ADVERT_COLORS: Final[tuple[Color, ...]] = (
    (0.80, 0.12, 0.12), (0.10, 0.25, 0.60), (0.92, 0.75, 0.12), (0.10, 0.50, 0.28), (0.88, 0.88, 0.86),
    (0.90, 0.45, 0.10), (0.12, 0.12, 0.14), (0.45, 0.70, 0.80),
)  # fmt: skip


def varied(rng: Generator, color: Color, spread: float = 0.04) -> Color:
    """The colour, a little brighter or darker and a little shifted in hue."""
    shift = rng.normal(0.0, spread) + rng.normal(0.0, spread / 3, 3)
    red, green, blue = (np.asarray(color) + shift).clip(0.02, 0.97).tolist()
    return red, green, blue


def chance(rng: Generator, probability: float) -> bool:
    """True with this probability."""
    return bool(rng.random() < probability)


def one_of(rng: Generator, colors: Sequence[Color], spread: float = 0.04) -> Color:
    """One of the colours, varied."""
    return varied(rng, colors[int(rng.integers(len(colors)))], spread)


def body_color(rng: Generator) -> Color:
    """A vehicle's paint colour: mostly white, black and greys; rarely yellow, orange, lime or violet."""
    weights, colors = zip(*_BODY_COLORS, strict=True)
    return varied(rng, colors[int(rng.choice(len(colors), p=weights))], 0.03)


def paint(color: Color) -> Material:
    """Glossy vehicle paint of this colour."""
    return Material(Texture.PLAIN, color, specular=0.5, lidar_reflectivity=0.4)


def cloth(rng: Generator) -> Material:
    """A garment."""
    return plain(one_of(rng, _CLOTH_COLORS))


def skin(rng: Generator) -> Material:
    """Skin, from light to dark."""
    light, dark = np.array([0.85, 0.66, 0.54]), np.array([0.28, 0.18, 0.13])
    red, green, blue = (dark + rng.random() * (light - dark)).tolist()
    return plain((red, green, blue))


def plain(color: Color, specular: float = 0.0) -> Material:
    """A matt surface of one colour."""
    return Material(Texture.PLAIN, color, specular=specular, lidar_reflectivity=0.35)


def advert(rng: Generator) -> Material:
    """A poster or a lorry's lettering."""
    first, second = rng.choice(len(_ADVERT_COLORS), 2, replace=False).tolist()
    scale_m = float(rng.uniform(0.3, 1.2))
    colors = varied(rng, _ADVERT_COLORS[first]), varied(rng, _ADVERT_COLORS[second])
    return Material(Texture.POSTER, *colors, scale_m, 0.15, lidar_reflectivity=0.45)


def wall_color(rng: Generator) -> Color:
    """A house wall's colour."""
    return one_of(rng, _WALL_COLORS)


def wall(rng: Generator) -> Material:
    """A wall without windows: brick, plaster or concrete."""
    texture = (Texture.BRICK, Texture.PLAIN, Texture.CONCRETE)[int(rng.integers(3))]
    color = wall_color(rng)
    return Material(texture, color, darker(color, 0.75), 0.3 if texture == Texture.BRICK else 2.5)


def facade(rng: Generator) -> Material:
    """A house front with rows of windows."""
    glass = varied(rng, (0.16, 0.19, 0.23), 0.03)
    return Material(Texture.WINDOWS, wall_color(rng), glass, float(rng.uniform(2.4, 3.6)), 0.1)


def darker(color: Color, factor: float) -> Color:
    """The colour times a factor."""
    return color[0] * factor, color[1] * factor, color[2] * factor


def asphalt(rng: Generator) -> Material:
    """Road surface from fresh black to bleached grey."""
    grey = float(rng.uniform(0.14, 0.34))
    return Material(Texture.ASPHALT, varied(rng, (grey, grey, grey * 1.02), 0.01), scale_m=0.4, lidar_reflectivity=0.18)


def pavement(rng: Generator) -> Material:
    """Sidewalk: slabs or fine asphalt."""
    if chance(rng, 0.2):
        return asphalt(rng)
    color = one_of(rng, ((0.52, 0.51, 0.49), (0.55, 0.46, 0.40), (0.44, 0.44, 0.45)), 0.03)
    return Material(Texture.CONCRETE, color, darker(color, 0.8), float(rng.uniform(0.4, 1.5)), lidar_reflectivity=0.3)


def kerbstone(rng: Generator) -> Material:
    """Kerb: light concrete or granite."""
    return Material(Texture.CONCRETE, varied(rng, (0.58, 0.58, 0.56)), (0.4, 0.4, 0.4), 1.0, lidar_reflectivity=0.3)


def lawn(rng: Generator) -> Material:
    """Grass, from lush to dry."""
    dry = float(rng.random())
    return Material(Texture.GRASS, (0.20 + 0.22 * dry, 0.32 + 0.06 * dry, 0.12 + 0.06 * dry), lidar_reflectivity=0.45)


def foliage(rng: Generator) -> Material:
    """Leaves: mostly green, sometimes yellow or red as in autumn."""
    autumn = chance(rng, 0.12)
    color = one_of(rng, ((0.55, 0.40, 0.10), (0.48, 0.20, 0.08))) if autumn else varied(rng, (0.16, 0.28, 0.10))
    return Material(Texture.FOLIAGE, color, darker(color, 0.5), 0.4, lidar_reflectivity=0.45)


def painted_metal(color: Color) -> Material:
    """Street furniture's lacquered metal."""
    return Material(Texture.PLAIN, color, specular=0.25, lidar_reflectivity=0.4)


def timber(rng: Generator) -> Material:
    """Planks."""
    color = varied(rng, (0.45, 0.32, 0.20))
    return Material(Texture.WOOD, color, darker(color, 0.65), 0.25, lidar_reflectivity=0.4)
