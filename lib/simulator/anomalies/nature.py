"""Plants and stones out of place: tubes, lathe bodies and stacked slabs, roughly in metres."""

import numpy as np
from numpy.random import Generator

from lib.simulator.assembly import Groups
from lib.simulator.shapes import Mesh, block, cone, extrude, lathe, moved, rod, torus, tube, turned


def fallen_tree(rng: Generator) -> Groups:
    """A trunk lying on its side with bare branches and a root plate."""
    length, radius = rng.uniform(2.2, 3.5), rng.uniform(0.12, 0.22)
    along = np.linspace(0, 1, 7)
    aside = 0.12 * rng.standard_normal(7).cumsum() * 0.5
    path = np.stack([length * along, aside, radius * (1.05 - 0.4 * along)], axis=1)
    trunk = tube(path, radius * (1 - 0.6 * along), 8)
    branches = []
    for fraction in rng.uniform(0.25, 0.98, int(rng.integers(6, 12))).tolist():
        foot = np.array([np.interp(fraction, along, path[:, i]) for i in range(3)])
        out = np.array([rng.uniform(0.2, 0.7), rng.choice((-1, 1)) * rng.uniform(0.2, 0.9), rng.uniform(0.0, 0.7)])
        bend = foot + 0.5 * out + [0, 0, 0.08]
        branches.append(tube(np.stack([foot, bend, foot + out]), [radius * 0.4, radius * 0.25, 0.01], 5))
    for a in np.linspace(0, np.pi, 5):
        tip = (-0.15, 0.5 * np.cos(a) * radius * 4, radius + 0.5 * np.sin(a) * radius * 4)
        branches.append(tube([(0, 0, radius), tip], [radius * 0.5, 0.02], 5))
    return [[trunk], branches]


def branch_pile(rng: Generator) -> Groups:
    """Sticks thrown across one another."""
    sticks = []
    for i in range(int(rng.integers(8, 15))):
        yaw, half, z = rng.uniform(0, np.pi), rng.uniform(0.4, 0.9), 0.05 + 0.035 * i
        out = np.array([np.cos(yaw), np.sin(yaw), rng.uniform(-0.15, 0.15)]) * half
        side = np.array([rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2), z])
        path = np.stack([side - out, side + rng.uniform(-0.05, 0.05, 3), side + out])
        sticks.append(tube(path, [0.05, 0.04, 0.02], 5))
    return [sticks[::2], sticks[1::2]]


def cactus(rng: Generator) -> Groups:
    """A ribbed column with bent arms."""
    height, radius = rng.uniform(1.4, 2.0), rng.uniform(0.14, 0.2)
    angle = np.arange(20) * np.pi / 10
    ribs = radius * (1 + 0.16 * (-1) ** np.arange(20))
    column = extrude(np.stack([ribs * np.cos(angle), ribs * np.sin(angle)], axis=1), height)
    cap = moved(cone(radius * 0.9, radius * 0.4, 0.12, 10), (0.0, 0.0, height))
    arms = []
    for turn in rng.uniform(0, 2 * np.pi, int(rng.integers(1, 4))).tolist():
        z, reach, up = rng.uniform(0.35, 0.6) * height, rng.uniform(0.35, 0.5), rng.uniform(0.35, 0.7)
        way = [(0.1, 0, z), (reach * 0.8, 0, z), (reach, 0, z + 0.12), (reach, 0, z + up)]
        arms.append(turned(tube(way, [radius * 0.6, radius * 0.6, radius * 0.6, radius * 0.45], 8), turn))
    return [[column, cap, *arms]]


def slab_rocks(rng: Generator) -> Groups:
    """A cairn: slabs of rough star-like outline stacked on one another."""
    slabs, z, reach = [], 0.0, 0.6
    for _ in range(int(rng.integers(4, 8))):
        count, thick = int(rng.integers(7, 11)), rng.uniform(0.08, 0.2)
        angle = np.arange(count) * 2 * np.pi / count
        radius = reach * rng.uniform(0.7, 1.15, count)
        radius[:: int(rng.integers(2, 4))] *= 0.7
        outline = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1) + rng.uniform(-0.08, 0.08, 2)
        slabs.append(extrude(outline, thick, z))
        z += thick
        reach *= rng.uniform(0.78, 0.98)
    return [slabs[::2], slabs[1::2]]


def mushroom(rng: Generator) -> Groups:
    """One to three giant toadstools."""
    stems, hats = [], []
    for _ in range(int(rng.integers(1, 4))):
        scale, x, y = rng.uniform(0.5, 1.0), rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4)
        brim, high = scale * rng.uniform(0.35, 0.5), scale * rng.uniform(0.2, 0.32)
        stem = lathe([(0.13 * scale, 0.0), (0.08 * scale, 0.3 * scale), (0.09 * scale, 0.62 * scale)], 10)
        z = 0.55 * scale
        dome = (brim, z), (brim * 0.9, z + high * 0.5), (brim * 0.45, z + high * 0.9), (0.01, z + high)
        stems.append(moved(stem, (x, y, 0.0)))
        hats.append(moved(lathe([(brim * 0.2, 0.58 * scale), *dome], 12), (x, y, 0.0)))
    return [hats, stems]


def tree_stump(rng: Generator) -> Groups:
    """A stump with roots that grip the ground and an axe in it."""
    radius, height = rng.uniform(0.3, 0.45), rng.uniform(0.35, 0.7)
    stump = lathe([(radius * 1.25, 0.0), (radius, 0.15), (radius * 0.92, height)], 11)
    roots = []
    for angle in np.linspace(0, 2 * np.pi, int(rng.integers(5, 8)), endpoint=False) + rng.uniform(-0.2, 0.2):
        out = np.array([np.cos(angle), np.sin(angle), 0.0])
        path = np.stack([0.25 * out + [0, 0, 0.22], 0.5 * out + [0, 0, 0.08], rng.uniform(0.7, 1.0) * out])
        roots.append(tube(path, [0.11, 0.08, 0.02], 5))
    axe = [rod((0.0, 0.0, height + 0.05), (0.55, 0.1, height + 0.4), 0.02), block((0.1, 0.03, 0.2), z=height - 0.02)]
    return [[stump, *roots], axe]


def coral(rng: Generator) -> Groups:
    """A branching coral or dead shrub: tubes that fork three times."""
    branches: list[Mesh] = []

    def grow(foot: np.ndarray, way: np.ndarray, radius: float, left: int) -> None:
        end = foot + way
        branches.append(tube(np.stack([foot, end]), [radius, radius * 0.75], 5))
        if left:
            for _ in range(2 if left < 3 else 3):
                turn = way * 0.72 + rng.normal(0, 0.36, 3) * np.linalg.norm(way)
                turn[2] = abs(turn[2]) * 0.8 + 0.05
                grow(end, turn, radius * 0.7, left - 1)

    grow(np.zeros(3), np.array([0.0, 0.0, 0.4]), 0.08, 3)
    return [branches]


def pumpkin(rng: Generator) -> Groups:
    """A giant pumpkin as a wheel of standing rings around a stalk, or two of them."""
    count, radius = int(rng.integers(7, 11)), rng.uniform(0.28, 0.36)
    ring = turned(torus(radius * 0.62, radius * 0.42, 12, 6), np.pi / 2, axis=0)
    ribs = [turned(moved(ring, (radius * 0.55, 0.0, radius)), float(a)) for a in np.arange(count) * 2 * np.pi / count]
    stalk = tube([(0, 0, radius * 1.6), (0.02, 0.02, radius * 2.1), (0.12, 0.05, radius * 2.3)], [0.05, 0.04, 0.03], 6)
    return [ribs, [stalk]]


def giant_flower(rng: Generator) -> Groups:
    """A flower as tall as a person: flat petals on a stem with leaves."""
    petals, height, reach = int(rng.integers(5, 9)), rng.uniform(0.9, 1.5), rng.uniform(0.3, 0.5)
    outline = [(0.05, -0.04), (reach * 0.6, -0.13), (reach, 0.0), (reach * 0.6, 0.13), (0.05, 0.04)]
    bloom = [turned(extrude(outline, 0.03), float(a)) for a in np.arange(petals) * 2 * np.pi / petals]
    tilt = rng.uniform(0.2, 1.2)
    head = [moved(turned(mesh, tilt, axis=1), (0.0, 0.0, height)) for mesh in [*bloom, cone(0.12, 0.08, 0.07, 10)]]
    leaf = [(0.0, -0.02), (0.25, -0.1), (0.5, 0.0), (0.25, 0.1), (0.0, 0.02)]
    blade = moved(turned(extrude(leaf, 0.02), -0.4, axis=1), (0, 0, height * 0.35))
    leaves = [turned(blade, float(a)) for a in rng.uniform(0, 6, 3)]
    return [head, [rod((0, 0, 0), (0, 0, height), 0.04, 0.03), *leaves]]
