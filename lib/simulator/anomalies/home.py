"""Household things that have no place on a street: assemblies of boxes and lathe bodies, roughly in metres."""

import numpy as np

from lib.simulator.shapes import Mesh, block, box, cylinder, extrude, lathe, merge, moved, rod, scaled, standing, torus

Generator = np.random.Generator
Groups = list[list[Mesh]]
"""Meshes by material: main surface first, then accents."""


def sofa(rng: Generator) -> Groups:
    """A sofa with arms and cushions."""
    length, depth, seat, back = rng.uniform(1.5, 2.3), rng.uniform(0.8, 1.0), 0.42, rng.uniform(0.8, 1.0)
    seats = int(rng.integers(2, 4))
    frame = [
        block((depth, length, seat - 0.12), z=0.08),
        block((0.22, length, back), -depth / 2 + 0.11),
        *[block((depth, 0.2, rng.uniform(0.58, 0.64)), y=sign * (length / 2 + 0.1)) for sign in (-1, 1)],
    ]
    step = length / seats
    cushions = [block((depth - 0.25, step - 0.03, 0.16), 0.11, -length / 2 + (i + 0.5) * step, seat - 0.04) for i in range(seats)]
    return [frame, cushions]


def table(rng: Generator) -> Groups:
    """A table, square or round."""
    length, depth, height = rng.uniform(1.0, 1.8), rng.uniform(0.7, 1.0), rng.uniform(0.65, 0.8)
    legs = [block((0.07, 0.07, height), x * (length / 2 - 0.08), y * (depth / 2 - 0.08)) for x in (-1, 1) for y in (-1, 1)]
    if rng.random() < 0.35:
        top = moved(cylinder(length / 2, 0.05, 20), (0.0, 0.0, height))
        foot = [moved(cylinder(0.06, height, 8), (0.0, 0.0, 0.0)), cylinder(length * 0.28, 0.05, 14)]
        return [[top], foot]
    return [[block((length, depth, 0.05), z=height)], legs]


def chair(rng: Generator) -> Groups:
    """A chair with a slatted back."""
    width, seat, back = rng.uniform(0.4, 0.5), rng.uniform(0.42, 0.48), rng.uniform(0.85, 1.1)
    low = [block((0.045, 0.045, seat), width * 0.45, y * width * 0.45) for y in (-1, 1)]
    high = [block((0.045, 0.045, back), -width * 0.45, y * width * 0.45) for y in (-1, 1)]
    slats = [block((0.03, width * 0.9, 0.07), -width * 0.45, z=z) for z in np.linspace(seat + 0.12, back - 0.08, int(rng.integers(2, 5)))]
    return [[block((width, width, 0.05), z=seat), *slats], low + high]
