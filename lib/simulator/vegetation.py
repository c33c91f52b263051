"""Trees, bushes and grass: origin on the ground [m]."""

import numpy as np
from numpy.random import Generator

from lib.common.labels import VEGETATION
from lib.simulator.assembly import Object, pieces
from lib.simulator.materials import BARK, chance, foliage
from lib.simulator.shapes import cone, moved, rod, rough_ball, tube

Range = tuple[float, float]


def tree(rng: Generator) -> Object:
    """A street tree: broad-leaved, conifer, poplar, or bare."""
    style = int(rng.choice(4, p=(0.62, 0.16, 0.12, 0.10)))
    return (_broadleaf, _conifer, _poplar, _bare)[style](rng)


def avenue_tree(rng: Generator) -> Object:
    """A tree beside the road, its crown above the traffic."""
    if chance(rng, 0.2):
        return (_poplar, _bare)[int(rng.integers(2))](rng)
    return _broadleaf(rng, (6.5, 10.5), (3.4, 4.2))


def _broadleaf(rng: Generator, heights: Range = (4.5, 9.5), stems: Range = (1.9, 2.9)) -> Object:
    height, stem = float(rng.uniform(*heights)), float(rng.uniform(*stems))
    reach, lean = height * float(rng.uniform(0.22, 0.34)), float(rng.normal(0, 0.15))
    radius = 0.028 * height
    way = [(0, 0, -0.1), (lean * 0.3, 0, stem * 0.7), (lean, lean * 0.5, height * 0.65)]
    wood, crowns = [tube(way, [radius, radius * 0.75, 0.04], 7)], []
    for a in rng.uniform(0, 6.3, 3):
        end = (reach * 0.55 * float(np.cos(a)), reach * 0.55 * float(np.sin(a)), stem + height * 0.22)
        wood.append(rod((lean * 0.4, 0.0, stem), end, radius * 0.5, 0.03, 5))
    for _ in range(int(rng.integers(4, 7))):
        angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.62) * reach
        size = reach * rng.uniform(1.0, 1.5)
        z = stem + 0.45 * size + rng.uniform(0.0, 0.75) * (height - stem - 0.8 * size)
        place = (lean + away * float(np.cos(angle)), away * float(np.sin(angle)), float(z))
        crowns.append(rough_ball(rng, (size, size, size * rng.uniform(0.7, 0.95)), place))
    return pieces(VEGETATION, (BARK, wood), (foliage(rng), crowns))


def _conifer(rng: Generator) -> Object:
    height = float(rng.uniform(4.5, 10.0))
    reach = height * float(rng.uniform(0.17, 0.26))
    tiers = int(rng.integers(4, 7))
    skirts = []
    for i in range(tiers):
        level = i / tiers
        skirt = cone(reach * (1 - level) * float(rng.uniform(0.9, 1.1)), 0.05, height * 1.6 / tiers, 9)
        skirts.append(moved(skirt, (0.0, 0.0, height * (0.12 + 0.80 * level) * 0.9)))
    trunk = rod((0, 0, -0.1), (0, 0, height * 0.5), 0.02 * height, 0.05)
    return pieces(VEGETATION, (BARK, [trunk]), (foliage(rng), skirts))


def _poplar(rng: Generator) -> Object:
    height = float(rng.uniform(6, 12))
    reach = height * float(rng.uniform(0.16, 0.22))
    crowns = [rough_ball(rng, (reach, reach, height * 0.55), (0.0, 0.0, height * z)) for z in (0.45, 0.7)]
    return pieces(VEGETATION, (BARK, [rod((0, 0, -0.1), (0, 0, height * 0.4), 0.14)]), (foliage(rng), crowns))


def _bare(rng: Generator) -> Object:
    height = float(rng.uniform(4, 7))
    branches = [tube([(0, 0, -0.1), (0, 0, height * 0.5), (0.1, 0.1, height)], [0.14, 0.10, 0.02], 6)]
    for _ in range(int(rng.integers(7, 12))):
        z, angle, out = rng.uniform(0.35, 0.85) * height, rng.uniform(0, 6.3), rng.uniform(0.6, 1.6)
        x, y = out * np.cos(angle), out * np.sin(angle)
        way = [(0, 0, z), (x / 2, y / 2, z + out * 0.45), (x, y, z + out * 1.1)]
        branches.append(tube(way, [0.06, 0.04, 0.01], 5))
    return pieces(VEGETATION, (BARK, branches))


def bush(rng: Generator) -> Object:
    """One to three bushes close together."""
    balls = []
    for _ in range(int(rng.integers(1, 4))):
        size = float(rng.uniform(0.5, 1.3))
        place = (float(rng.uniform(-0.5, 0.5)), float(rng.uniform(-0.4, 0.4)), size * 0.35)
        balls.append(rough_ball(rng, (size, size, size * float(rng.uniform(0.7, 1.1))), place))
    return pieces(VEGETATION, (foliage(rng), balls))


def tall_grass(rng: Generator) -> Object:
    """Tufts of tall grass or weeds."""
    blades = []
    for _ in range(int(rng.integers(8, 16))):
        x, y = rng.uniform(-0.35, 0.35, 2).tolist()
        top = (x + float(rng.normal(0, 0.1)), y + float(rng.normal(0, 0.1)), float(rng.uniform(0.15, 0.45)))
        blades.append(rod((x, y, -0.02), top, 0.02, 0.004, 3))
    shown = blades if chance(rng, 0.6) else blades[:8]
    return pieces(VEGETATION, (foliage(rng), shown))
