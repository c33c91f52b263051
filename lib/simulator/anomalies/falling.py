"""Loads that fell from lorries and buildings, roughly in metres."""

import numpy as np
from numpy.random import Generator

from lib.simulator.assembly import Groups
from lib.simulator.shapes import Mesh, block, box, cylinder, extrude, lathe, moved, rod, standing, torus, tube, turned


def ladder(rng: Generator) -> Groups:
    """A ladder, flat, on its side or as an A."""
    length, width, rungs = rng.uniform(1.6, 2.6), rng.uniform(0.35, 0.5), int(rng.integers(6, 10))
    beams = [box((length, 0.06, 0.08), (0.0, s * width / 2, 0.0)) for s in (-1, 1)]
    steps = [rod((x, -width / 2, 0.0), (x, width / 2, 0.0), 0.022) for x in np.linspace(-0.46, 0.46, rungs) * length]
    style = int(rng.integers(3))
    if style == 0:
        return [[turned(mesh, np.pi / 2, axis=0) for mesh in group] for group in (beams, steps)]
    if style == 1:
        return [[turned(mesh, rng.uniform(-0.35, -0.1), axis=1) for mesh in beams], steps]
    halves: Groups = [[], []]
    for sign in (-1, 1):
        lean = sign * rng.uniform(1.15, 1.3)
        for group, meshes in enumerate((beams, steps)):
            halves[group] += [moved(turned(mesh, lean, axis=1), (sign * 0.2 * length, 0.0, 0.0)) for mesh in meshes]
    return halves


def pallets(rng: Generator) -> Groups:
    """Pallets in a crooked stack."""
    slats, blocks = [], []
    for i in range(int(rng.integers(2, 7))):
        turn, z = rng.uniform(-0.25, 0.25), 0.15 * i
        top = [block((0.1, 0.8, 0.025), x, 0.0, z + 0.11) for x in np.linspace(-0.55, 0.55, 7).tolist()]
        low = [block((1.2, 0.1, 0.025), 0.0, y, z) for y in (-0.35, 0.0, 0.35)]
        feet = [block((0.12, 0.1, 0.085), x, y, z + 0.025) for x in (-0.5, 0.0, 0.5) for y in (-0.35, 0.0, 0.35)]
        slats += [turned(mesh, turn) for mesh in top + low]
        blocks += [turned(mesh, turn) for mesh in feet]
    return [slats, blocks]


def cable_reel(rng: Generator) -> Groups:
    """A wooden drum with cable, standing on its rims or lying."""
    radius, width = rng.uniform(0.45, 0.65), rng.uniform(0.4, 0.7)
    rims = [moved(cylinder(radius, 0.06, 18), (0.0, 0.0, z)) for z in (0.0, width)]
    cable = [moved(torus(radius * 0.62, 0.06, 16, 5), (0.0, 0.0, z)) for z in np.linspace(0.13, width - 0.06, 5)]
    core = cylinder(radius * 0.6, width, 14)
    loose = tube([(radius * 0.62, 0, width / 2), (radius * 1.3, 0.2, 0.05), (radius * 1.8, 0.5, 0.03)], 0.04, 5)
    if rng.random() < 0.6:
        return [[turned(mesh, np.pi / 2, axis=0) for mesh in group] for group in ([*rims, core], cable)]
    return [[*rims, core], [*cable, loose]]


def timber_load(rng: Generator) -> Groups:
    """Planks that slid off, criss-cross."""
    planks = []
    for i in range(int(rng.integers(5, 10))):
        plank = block((rng.uniform(1.4, 2.2), 0.18, 0.05))
        place = (*rng.uniform(-0.2, 0.2, 2).tolist(), 0.055 * i)
        planks.append(moved(turned(turned(plank, rng.uniform(-0.08, 0.08), axis=1), rng.uniform(-0.7, 0.7)), place))
    return [planks[::2], planks[1::2]]


def straw_roll(rng: Generator) -> Groups:
    """A straw roll with its net, on its side."""
    radius, width = rng.uniform(0.55, 0.75), rng.uniform(1.0, 1.3)
    roll = lathe([(radius * 0.96, 0), (radius, 0.06), (radius, width - 0.06), (radius * 0.96, width)], 20)
    band = turned(torus(radius, 0.025, 20, 4), np.pi / 2, axis=0)
    bands = [moved(band, (0.0, y, 0.0)) for y in np.linspace(-0.35, 0.35, 4) * width]
    return [[moved(turned(roll, np.pi / 2, axis=0), (0.0, width / 2, 0.0))], bands]


def anchor(rng: Generator) -> Groups:
    """A ship's anchor with some chain."""
    angle = np.linspace(-1.25, 1.25, 9)
    arms = tube(np.stack([0.6 * np.sin(angle), 0 * angle, 0.75 - 0.62 * np.cos(angle)], axis=1), 0.075, 6)
    shank = rod((0.0, 0.0, 0.12), (0.0, 0.0, 1.5), 0.06)
    stock = rod((0.0, -0.5, 1.3), (0.0, 0.5, 1.3), 0.05)
    flukes = [
        moved(standing(extrude([(0.0, -0.15), (0.16 * s, 0.12), (-0.12 * s, 0.2)][::s], 0.2)), (0.58 * s, 0, 0.58))
        for s in (-1, 1)
    ]
    ring = moved(turned(torus(0.12, 0.03, 12, 5), np.pi / 2, axis=0), (0.0, 0.0, 1.6))
    parts = [[arms, shank, *flukes], [stock, ring]]
    lean = rng.uniform(0.0, 1.3)
    return [[turned(mesh, lean, axis=1) for mesh in group] for group in parts]


def chain(rng: Generator) -> Groups:
    """A heavy chain, its links lying alternately flat and upright."""
    links, x = [], 0.0
    stretch, thick = rng.uniform(1.25, 1.8), rng.uniform(0.03, 0.045)
    for i in range(int(rng.integers(5, 10))):
        link = torus(0.13, thick, 14, 6)
        stretched = Mesh(link.vertices_m * (stretch, 1.0, 1.0), link.faces)
        links.append(moved(turned(stretched, (i % 2) * np.pi / 2 * 0.9, axis=0), (x, 0.06 * np.sin(i), 0.1)))
        x += 0.195 * stretch
    return [links[::2], links[1::2]]


def steel_beams(rng: Generator) -> Groups:
    """I-beams dropped across one another."""
    right = [(0.15, 0.0), (0.15, 0.05), (0.03, 0.05), (0.03, 0.25), (0.15, 0.25), (0.15, 0.3)]
    left = [(-x, y) for x, y in right]
    outline = [left[0], *right, *left[:0:-1]]
    beams = []
    for i in range(int(rng.integers(2, 5))):
        beam = standing(extrude(outline, rng.uniform(1.6, 2.4)))
        beams.append(moved(turned(beam, rng.uniform(-0.8, 0.8)), (0.0, 0.0, 0.31 * i)))
    return [beams[::2], beams[1::2]]


def container_frame(rng: Generator) -> Groups:
    """An open cage or container frame with some goods inside."""
    length, width, height = rng.uniform(1.2, 1.8), rng.uniform(0.8, 1.1), rng.uniform(0.8, 1.1)
    edges = [box((length, 0.05, 0.05), (0.0, y * width / 2, z)) for y in (-1, 1) for z in (0.03, height)]
    edges += [box((0.05, width, 0.05), (x * length / 2, 0.0, z)) for x in (-1, 1) for z in (0.03, height)]
    edges += [block((0.05, 0.05, height), x * length / 2, y * width / 2) for x in (-1, 1) for y in (-1, 1)]
    bars = np.linspace(-0.4, 0.4, 6).tolist()
    mesh = [block((0.02, 0.02, height), x * length, y * width / 2) for x in bars for y in (-1, 1)]
    places = [(x * length, y * width) for x in (-0.25, 0.2) for y in (-0.22, 0.22)]
    goods = [block((0.3, 0.3, rng.uniform(0.2, 0.6)), *place, 0.05) for place in places]
    return [edges + mesh, goods]


def roof_antenna(rng: Generator) -> Groups:
    """A television aerial broken off a roof."""
    count = int(rng.integers(5, 9))
    boom = rod((-0.8, 0.0, 0.5), (0.8, 0.0, 0.5), 0.025)
    spans = np.stack([np.linspace(-0.75, 0.75, count), np.linspace(0.3, 0.6, count)], axis=1)
    rods = [rod((x, -s, 0.5), (x, s, 0.5), 0.014, sides=4) for x, s in spans.tolist()]
    mast = rod((-0.1, 0.0, -0.5), (0.05, 0.0, 0.9), 0.03)
    lean = rng.uniform(0.3, 1.2)
    return [[turned(mesh, lean, axis=0) for mesh in group] for group in ([boom, mast], rods)]
