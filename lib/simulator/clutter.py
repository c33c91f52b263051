"""Normal clutter on streets that may cause false alarms: covers, puddles, stains, cracks, repairs, leaves, litter.

Flat objects have heights of 1 to 8 mm, a different one per kind, so that no two are in the same plane.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from lib.common.labels import DYNAMIC, ROAD, VEGETATION
from lib.simulator.assembly import Object, pieces, weighted
from lib.simulator.materials import CRACK, MANHOLE, OIL, PUDDLE, advert, asphalt, chance, one_of, plain, varied
from lib.simulator.scene import Material, Texture
from lib.simulator.shapes import Float, Mesh, box, cylinder, fan, hull, moved, patch, turned


def manhole(rng: Generator) -> Object:
    """A round or square cover with its frame."""
    radius = float(rng.uniform(0.28, 0.38))
    sides = 4 if chance(rng, 0.25) else 18
    rim = moved(cylinder(radius + 0.06, 0.002, sides), (0, 0, 0.001))
    lid = moved(cylinder(radius, 0.002, sides), (0, 0, 0.002))
    return pieces(ROAD, (Material(Texture.CONCRETE, (0.33, 0.32, 0.31), (0.2, 0.2, 0.2), 0.3), [rim]), (MANHOLE, [lid]))


def drain(rng: Generator) -> Object:
    """A gully grating."""
    bars = [box((0.32, 0.03, 0.002), (0.0, y, 0.003)) for y in np.linspace(-0.18, 0.18, 6).tolist()]
    return pieces(ROAD, (CRACK, [box((0.36, 0.46, 0.002), (0.0, 0.0, 0.0015))]), (MANHOLE, bars))


def _lobed_outline(rng: Generator, radius_m: float, stretch: float) -> Float:
    """A random smooth outline (16, 2) [m] with lobes, counter-clockwise."""
    angle = np.arange(16) * 2 * np.pi / 16
    waves = sum(rng.uniform(0.05, 0.2) * np.sin(k * angle + rng.uniform(0, 6.3)) for k in (1, 2, 3, 5))
    reach = radius_m * (1 + waves)
    return np.stack([stretch * reach * np.cos(angle), reach * np.sin(angle)], axis=1)


def puddle(rng: Generator) -> Object:
    """Standing water, which mirrors the sky and returns few of the LiDAR's rays."""
    outline = _lobed_outline(rng, float(rng.uniform(0.3, 1.3)), float(rng.uniform(1.0, 2.2)))
    return pieces(ROAD, (PUDDLE, [fan(outline, 0.0025)]))


def oil_stain(rng: Generator) -> Object:
    """Drops and blots of oil."""
    blots = []
    for _ in range(int(rng.integers(1, 5))):
        x, y = rng.uniform(-0.5, 0.5, 2).tolist()
        blots.append(moved(fan(_lobed_outline(rng, float(rng.uniform(0.06, 0.4)), 1.0), 0.002), (x, y, 0.0)))
    return pieces(ROAD, (OIL, blots))


def crack(rng: Generator) -> Object:
    """A crack in the asphalt."""
    count = int(rng.integers(6, 14))
    x = np.linspace(0.0, float(rng.uniform(1.5, 5.0)), count)
    y = rng.normal(0, 0.12, count).cumsum()
    width = float(rng.uniform(0.012, 0.05))
    strip = patch(np.stack([x, x], axis=1), np.stack([y, y + width], axis=1), np.full((count, 2), 0.0015))
    return pieces(ROAD, (CRACK, [strip]))


def repair(rng: Generator) -> Object:
    """A rectangle of newer or older asphalt."""
    size = float(rng.uniform(0.8, 4.0)), float(rng.uniform(0.5, 1.6)), 0.001
    return pieces(ROAD, (asphalt(rng), [box(size, (0.0, 0.0, 0.0008))]))


def leaves(rng: Generator) -> Object:
    """Fallen leaves, scattered or swept together."""
    count, reach = int(rng.integers(25, 80)), float(rng.uniform(0.4, 1.8))
    place = rng.normal(0, reach / 2, (count, 2))
    angle, size = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.03, 0.09, count)
    corners = np.empty((count, 4, 3))
    for i, (turn, radius_factor) in enumerate(((0.0, 1.0), (np.pi / 2, 0.55), (np.pi, 1.0), (-np.pi / 2, 0.55))):
        corners[:, i, 0] = place[:, 0] + radius_factor * size * np.cos(angle + turn)
        corners[:, i, 1] = place[:, 1] + radius_factor * size * np.sin(angle + turn)
    corners[:, :, 2] = 0.006 + rng.uniform(0, 0.01, (count, 1))
    start = 4 * np.arange(count)[:, None]
    faces = np.concatenate([start + np.array((0, 1, 2)), start + np.array((0, 2, 3))]).astype(np.int32)
    color = one_of(rng, ((0.50, 0.36, 0.10), (0.42, 0.20, 0.08), (0.30, 0.30, 0.10)))
    return pieces(VEGETATION, (plain(color), [Mesh(corners.reshape(-1, 3), faces)]))


def paper(rng: Generator) -> Object:
    """Newspapers, leaflets, a squashed carton (class dynamic)."""
    sheets = []
    for _ in range(int(rng.integers(1, 6))):
        x, y = rng.uniform(-0.6, 0.6, 2).tolist()
        sheet = box((float(rng.uniform(0.12, 0.45)), float(rng.uniform(0.1, 0.3)), 0.003), (0.0, 0.0, 0.008))
        sheets.append(moved(turned(sheet, float(rng.uniform(0, 3))), (x, y, 0.0)))
    if chance(rng, 0.3):
        return pieces(DYNAMIC, (advert(rng), sheets))
    color = (0.78, 0.77, 0.73) if chance(rng, 0.6) else (0.52, 0.40, 0.28)
    return pieces(DYNAMIC, (plain(varied(rng, color)), sheets))


def bottles(rng: Generator) -> Object:
    """Cans, bottles and cups (class dynamic)."""
    things = []
    for _ in range(int(rng.integers(1, 5))):
        x, y = rng.uniform(-0.3, 0.3, 2).tolist()
        can = cylinder(float(rng.uniform(0.03, 0.05)), float(rng.uniform(0.1, 0.28)), 8)
        if chance(rng, 0.7):
            can = moved(turned(turned(can, np.pi / 2, axis=0), float(rng.uniform(0, 6))), (0.0, 0.0, 0.04))
        things.append(moved(can, (x, y, 0.004)))
    colors = (0.70, 0.10, 0.10), (0.75, 0.76, 0.78), (0.12, 0.35, 0.15), (0.85, 0.85, 0.82)
    return pieces(DYNAMIC, (plain(one_of(rng, colors), 0.3), things))


def carton(rng: Generator) -> Object:
    """A cardboard box, closed (class dynamic)."""
    length, width, height = rng.uniform(0.25, 0.6, 3).tolist()
    body = hull(*((x, 0.004, height, width / 2, width / 2) for x in (-length / 2, length / 2)))
    tape = box((length + 0.004, 0.05, 0.004), (0.0, 0.0, height))
    return pieces(DYNAMIC, (plain(varied(rng, (0.50, 0.38, 0.25))), [body]), (plain((0.62, 0.52, 0.38)), [tape]))


ROAD_SPOTS: tuple[tuple[float, Callable[[Generator], Object]], ...] = (
    (0.20, manhole),
    (0.07, drain),
    (0.12, puddle),
    (0.14, oil_stain),
    (0.15, crack),
    (0.12, repair),
    (0.10, leaves),
    (0.06, paper),
    (0.04, bottles),
)
"""Clutter on roads, with weights."""


def road_spot(rng: Generator) -> Object:
    """Any of ROAD_SPOTS."""
    return weighted(rng, ROAD_SPOTS)(rng)


def litter(rng: Generator) -> Object:
    """Random litter on sidewalks."""
    return (leaves, paper, bottles, carton)[int(rng.choice(4, p=(0.4, 0.3, 0.2, 0.1)))](rng)
