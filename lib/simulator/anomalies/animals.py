"""Animals of swept tubes and cones, roughly in metres; heads point along x.

Each function returns meshes by material: body first, then accents.
"""

import numpy as np
from numpy.random import Generator

from lib.simulator.assembly import Groups
from lib.simulator.shapes import Mesh, block, extrude, hull, lathe, moved, rod, standing, tube


def _quadruped(
    rng: Generator,
    shoulder: float,
    length: float,
    girth: float,
    neck: tuple[float, float],
    head: float,
    leg: float,
    tail: tuple[float, float],
) -> tuple[list[Mesh], tuple[float, float]]:
    """Trunk, legs, neck, head and tail; neck and tail as (forward, up). Also the head's place (x, z)."""
    back = shoulder - girth * 0.5
    trunk_x = np.array([-0.5, -0.42, -0.15, 0.2, 0.45, 0.52]) * length
    trunk_z = back + girth * np.array([0.05, 0.0, -0.06, 0.0, 0.06, 0.1])
    trunk_r = girth * np.array([0.22, 0.42, 0.48, 0.5, 0.40, 0.22])
    trunk = tube(np.stack([trunk_x, np.zeros(6), trunk_z], axis=1), trunk_r, 8)
    top = (0.46 * length + neck[0], back + girth * 0.1 + neck[1])
    rise = [(0.36 * length, 0, back), (0.5 * length, 0, back + 0.25 * neck[1]), (top[0], 0, top[1])]
    throat = tube(rise, [girth * 0.36, girth * 0.26, head * 0.36], 7)
    legs = _legs(rng, shoulder, length, girth, leg)
    end = (-0.5 * length + tail[0], 0.0, back + girth * 0.1 + tail[1])
    fall = [(-0.48 * length, 0, back + 0.1 * girth), (-0.55 * length, 0, (back + end[2]) / 2), end]
    brush = tube(fall, [leg * 0.6, leg * 0.5, leg * 0.25], 5)
    return [trunk, throat, *_face(top, head), *legs, brush], top


def _face(top: tuple[float, float], head: float) -> list[Mesh]:
    """Skull with ears at (x, z), `head` long."""
    x, z = top
    line = [(x - head * 0.35, 0, z + head * 0.1), (x + head * 0.3, 0, z), (x + head, 0, z - head * 0.25)]
    meshes = [tube(line, [head * 0.30, head * 0.33, head * 0.16], 6)]
    for s in (-1, 1):
        foot = (x - 0.2 * head, s * head * 0.2, z + 0.25 * head)
        tip = (x - 0.35 * head, s * head * 0.42, z + 0.65 * head)
        meshes.append(rod(foot, tip, head * 0.11, 0.01, 4))
    return meshes


def _legs(rng: Generator, shoulder: float, length: float, girth: float, leg: float) -> list[Mesh]:
    """Four legs in stride."""
    back = shoulder - girth * 0.5
    legs = []
    for x, sign in ((-0.4, -1), (-0.4, 1), (0.38, -1), (0.38, 1)):
        foot = x * length + rng.uniform(-0.12, 0.12) * shoulder
        hip = (x * length, sign * girth * 0.26, back - 0.1 * girth)
        knee = ((foot + hip[0]) / 2 + 0.03 * shoulder, sign * girth * 0.27, hip[2] * 0.5)
        legs.append(tube([hip, knee, (foot, sign * girth * 0.27, 0.0)], [leg * 1.7, leg, leg * 0.9], 6))
    return legs


def deer(rng: Generator) -> Groups:
    """A deer or moose with antlers."""
    meshes, (x, z) = _quadruped(rng, 1.1, 1.3, 0.48, (0.28, 0.55), 0.34, 0.045, (-0.05, -0.1))
    antlers = []
    for sign in (-1, 1):
        tip = (x - 0.05, sign * 0.42, z + rng.uniform(0.6, 0.9))
        beam = [(x - 0.05, sign * 0.08, z + 0.1), (x - 0.2, sign * 0.3, z + 0.4), tip]
        antlers.append(tube(beam, [0.035, 0.028, 0.012], 5))
        for fraction in np.linspace(0.35, 0.95, int(rng.integers(2, 5))).tolist():
            foot = (x - 0.15, sign * (0.12 + 0.28 * fraction), z + 0.1 + 0.6 * fraction)
            antlers.append(rod(foot, (foot[0] + 0.2, foot[1] + sign * 0.05, foot[2] + 0.18), 0.02, 0.008, 4))
    return [meshes, antlers]


def cow(rng: Generator) -> Groups:
    """A cow with horns."""
    meshes, (x, z) = _quadruped(rng, 1.4, 1.9, 0.78, (0.22, 0.18), 0.48, 0.075, (-0.08, -0.65))
    ways = [[(x - 0.1, s * 0.12, z + 0.15), (x - 0.08, s * 0.3, z + 0.2), (x, s * 0.34, z + 0.38)] for s in (-1, 1)]
    return [meshes, [tube(way, [0.04, 0.03, 0.008], 5) for way in ways]]


def horse(rng: Generator) -> Groups:
    """A horse with a mane."""
    meshes, (x, z) = _quadruped(rng, 1.5, 1.7, 0.6, (0.45, 0.55), 0.5, 0.06, (-0.15, -0.55))
    back = (x - 0.35, z + 0.05), (x - 0.65, z - 0.4)
    mane = [(x - 0.5, z - 0.55), (x - 0.05, z + 0.05), (x - 0.1, z + 0.25), *back]
    return [meshes, [standing(extrude(mane, 0.06))]]


def dog(rng: Generator) -> Groups:
    """A dog, its tail up."""
    meshes, (x, z) = _quadruped(rng, 0.6, 0.7, 0.26, (0.12, 0.16), 0.22, 0.03, (-0.18, 0.25))
    collar = tube([(x - 0.12, -0.06, z - 0.12), (x - 0.06, 0, z - 0.16), (x - 0.12, 0.06, z - 0.12)], 0.02, 4)
    return [meshes, [collar]]


def giraffe(rng: Generator) -> Groups:
    """A giraffe: long legs, longer neck."""
    meshes, (x, z) = _quadruped(rng, 1.5, 1.2, 0.5, (0.55, rng.uniform(1.2, 1.6)), 0.32, 0.05, (-0.1, -0.5))
    horns = [rod((x - 0.05, s * 0.06, z + 0.1), (x - 0.1, s * 0.08, z + 0.32), 0.02, 0.03, 5) for s in (-1, 1)]
    return [meshes, horns]


def elephant(rng: Generator) -> Groups:
    """An elephant with trunk, tusks and flat ears."""
    meshes, (x, z) = _quadruped(rng, 1.6, 1.7, 1.05, (0.22, 0.05), 0.5, 0.14, (-0.08, -0.5))
    tip = (x + rng.uniform(0.5, 0.9), 0, z - 1.15)
    trunk = tube(
        [(x + 0.3, 0, z - 0.1), (x + 0.6, 0, z - 0.5), (x + 0.55, 0, z - 0.9), tip], [0.15, 0.12, 0.09, 0.06], 7
    )
    tusks = []
    for s in (-1, 1):
        way = [(x + 0.3, s * 0.14, z - 0.25), (x + 0.6, s * 0.18, z - 0.4), (x + 0.8, s * 0.15, z - 0.25)]
        tusks.append(tube(way, [0.045, 0.035, 0.01], 5))
    ear = standing(extrude([(0.0, -0.4), (0.1, 0.1), (0.0, 0.25), (-0.4, 0.25), (-0.5, -0.2)], 0.03))
    ears = [moved(ear, (x - 0.1, s * 0.38, z)) for s in (-1, 1)]
    return [[*meshes, trunk, *ears], tusks]


def wading_bird(rng: Generator) -> Groups:
    """A stork, flamingo or ostrich: two thin legs, a curved neck, a long beak."""
    leg, neck = rng.uniform(0.5, 0.8), rng.uniform(0.4, 0.75)
    spine = [(-0.42, 0, leg + 0.02), (-0.25, 0, leg + 0.1), (0.0, 0, leg + 0.14), (0.2, 0, leg + 0.16)]
    body = tube(spine, [0.02, 0.13, 0.17, 0.06], 7)
    angle = np.linspace(0, 1, 7)
    throat = np.stack([0.17 + 0.16 * np.sin(3.5 * angle), 0 * angle, leg + 0.15 + neck * angle], axis=1)
    top = throat[-1]
    beak = rod((top[0], 0.0, top[2]), (top[0] + 0.28, 0.0, top[2] - 0.08), 0.04, 0.008, 5)
    feet: list[Mesh] = [beak]
    for sign in (-1, 1):
        foot = 0.12 * sign * rng.uniform(-1, 1)
        feet.append(tube([(0, sign * 0.07, leg), (-0.04, sign * 0.07, leg / 2), (foot, sign * 0.07, 0.01)], 0.016, 5))
        feet.append(block((0.16, 0.1, 0.015), foot + 0.05, sign * 0.07))
    return [[body, tube(throat, [0.06, 0.05, 0.04, 0.035, 0.035, 0.04, 0.045], 6)], feet]


def snake(rng: Generator) -> Groups:
    """A huge snake in bends, its head raised."""
    way = np.linspace(0.0, 1.0, 34)
    y = rng.uniform(0.18, 0.32) * np.sin(way * rng.uniform(12, 18))
    z = 0.07 + 0.35 * np.clip((way - 0.85) / 0.15, 0, 1) ** 2
    radius = 0.07 * np.clip(np.minimum(way / 0.3, (1.08 - way) / 0.12), 0.1, 1.0)
    return [[tube(np.stack([2.0 * way - 1.0, y, z], axis=1), radius, 7)]]


def spider(rng: Generator) -> Groups:
    """A giant spider: two frusta and eight bent legs."""
    spine = [(-0.75, 0, 0.45), (-0.4, 0, 0.6), (-0.1, 0, 0.42), (0.2, 0, 0.42), (0.3, 0, 0.36)]
    body, legs = [tube(spine, [0.08, 0.26, 0.06, 0.16, 0.06], 6)], []
    for bearing in np.linspace(0.4, 2.7, 4) + rng.uniform(-0.1, 0.1, 4):
        for sign in (-1, 1):
            out = np.array([np.cos(bearing), sign * np.sin(bearing), 0.0])
            way = np.outer([0.08, 0.55, 1.0], out) + np.outer([0.42, 0.85, 0.0], [0.0, 0.0, 1.0])
            legs.append(tube(way, [0.04, 0.03, 0.015], 5))
    return [body, legs]


def crocodile(rng: Generator) -> Groups:
    """A crocodile: a long low body, open jaws, a row of plates."""
    gape = rng.uniform(0.08, 0.3)
    spine = [(-1.6, 0.2, 0.05), (-1.0, 0.05, 0.12), (-0.4, 0, 0.2), (0.3, 0, 0.22), (0.6, 0, 0.2)]
    body = tube(spine, [0.02, 0.09, 0.2, 0.2, 0.13], 8)
    jaws = [
        hull((0.5, 0.10, 0.20, 0.14, 0.14), (1.1, 0.10, 0.14, 0.05, 0.05)),
        hull((0.5, 0.22, 0.32, 0.14, 0.12), (1.1, 0.22 + gape, 0.27 + gape, 0.05, 0.05)),
    ]
    legs = [
        tube([(x, 0.12 * s, 0.2), (x + 0.05, 0.34 * s, 0.16), (x + 0.08, 0.4 * s, 0.0)], 0.05, 5)
        for x in (-0.4, 0.35)
        for s in (-1, 1)
    ]
    plate = lathe([(0.05, 0.0), (0.005, 0.1)], 4)
    ridge = [moved(plate, (x, 0.0, 0.36 if x > -0.6 else 0.24)) for x in np.linspace(-1.0, 0.4, 9).tolist()]
    return [[body, *jaws, *legs], ridge]
