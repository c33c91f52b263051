"""Household objects that do not belong on a street: assemblies of boxes and lathe bodies, roughly in metres."""

import numpy as np
from numpy.random import Generator

from lib.simulator.assembly import Groups
from lib.simulator.shapes import block, box, cone, cylinder, extrude, lathe, moved, rod, standing, torus, tube, turned


def sofa(rng: Generator) -> Groups:
    """A sofa with arms and cushions."""
    length, depth, seat, back = rng.uniform(1.5, 2.3), rng.uniform(0.8, 1.0), 0.42, rng.uniform(0.8, 1.0)
    seats, arm = int(rng.integers(2, 4)), rng.uniform(0.56, 0.64)
    frame = [block((depth, length, seat - 0.12), z=0.08), block((0.22, length, back), -depth / 2 + 0.11)]
    frame += [block((depth, 0.2, arm), y=sign * (length / 2 + 0.1)) for sign in (-1, 1)]
    step = length / seats
    middles = [-length / 2 + (i + 0.5) * step for i in range(seats)]
    return [frame, [block((depth - 0.25, step - 0.03, 0.16), 0.11, y, seat - 0.04) for y in middles]]


def table(rng: Generator) -> Groups:
    """A table on four legs or on one foot."""
    length, depth, height = rng.uniform(1.0, 1.8), rng.uniform(0.7, 1.0), rng.uniform(0.65, 0.8)
    if rng.random() < 0.35:
        top = moved(cylinder(length / 2, 0.05, 20), (0.0, 0.0, height))
        return [[top], [cylinder(0.06, height, 8), cylinder(length * 0.28, 0.05, 14)]]
    corners = [(x * (length / 2 - 0.08), y * (depth / 2 - 0.08)) for x in (-1, 1) for y in (-1, 1)]
    return [[block((length, depth, 0.05), z=height)], [block((0.07, 0.07, height), *corner) for corner in corners]]


def chair(rng: Generator) -> Groups:
    """A chair with a slatted back."""
    width, seat, back = rng.uniform(0.4, 0.5), rng.uniform(0.42, 0.48), rng.uniform(0.85, 1.1)
    edge = width * 0.45
    low = [block((0.045, 0.045, seat), edge, y * edge) for y in (-1, 1)]
    high = [block((0.045, 0.045, back), -edge, y * edge) for y in (-1, 1)]
    heights = np.linspace(seat + 0.12, back - 0.08, int(rng.integers(2, 5))).tolist()
    slats = [block((0.03, width * 0.9, 0.07), -edge, z=z) for z in heights]
    return [[block((width, width, 0.05), z=seat), *slats], low + high]


def bed(rng: Generator) -> Groups:
    """A bed with head and foot boards, mattress and pillows."""
    length, width = rng.uniform(1.9, 2.1), rng.uniform(0.9, 1.7)
    boards = [
        block((0.06, width + 0.08, rng.uniform(0.8, 1.2)), -length / 2),
        block((0.06, width + 0.08, rng.uniform(0.4, 0.6)), length / 2),
        block((length, width, 0.12), z=0.22),
    ]
    soft = [block((length - 0.06, width, 0.2), z=0.34)]
    soft += [block((0.4, 0.55, 0.14), -length / 2 + 0.3, y, 0.54) for y in ((-0.35, 0.35) if width > 1.3 else (0.0,))]
    return [soft, boards]


def wardrobe(rng: Generator) -> Groups:
    """A wardrobe, one door standing open."""
    width, depth, height = rng.uniform(0.9, 1.5), rng.uniform(0.5, 0.65), rng.uniform(1.7, 2.2)
    walls = [
        block((0.04, width, height), -depth / 2),
        *[block((depth, 0.04, height), y=sign * width / 2) for sign in (-1, 1)],
        *[block((depth, width, 0.04), z=z) for z in (0.08, height * 0.4, height - 0.04)],
        block((0.04, width / 2, height - 0.1), depth / 2, -width / 4, 0.08),
    ]
    door = turned(block((0.04, width / 2, height - 0.1), 0.0, -width / 4, 0.08), rng.uniform(0.5, 1.6))
    rail = rod((0.0, -width / 2, height - 0.25), (0.0, width / 2, height - 0.25), 0.02)
    return [walls, [moved(door, (depth / 2, width / 2, 0.0)), rail]]


def fridge(rng: Generator) -> Groups:
    """A refrigerator with handles, its door ajar."""
    width, depth, height = rng.uniform(0.55, 0.8), rng.uniform(0.55, 0.7), rng.uniform(1.3, 1.9)
    split = height * rng.uniform(0.55, 0.7)
    door = moved(block((0.06, width, split - 0.1), 0.0, -width / 2), (0.0, 0.0, 0.08))
    parts = [
        block((depth, width, height - 0.06), z=0.06),
        block((0.06, width, height - split), depth / 2 + 0.03, z=split),
        moved(turned(door, rng.uniform(0.2, 1.4)), (depth / 2 + 0.03, width / 2, 0.0)),
    ]
    handle = block((0.04, 0.04, 0.35), depth / 2 + 0.09, -width * 0.38, split + 0.05)
    return [parts, [handle, *[block((0.06, 0.06, 0.06), x * 0.2, y * 0.2) for x in (-1, 1) for y in (-1, 1)]]]


def piano(rng: Generator) -> Groups:
    """An upright piano with its keyboard and stool, or a grand."""
    if rng.random() < 0.5:
        body = [block((0.35, 1.5, 1.2)), block((0.32, 1.5, 0.12), 0.32, z=0.62)]
        legs = [block((0.08, 0.08, 0.62), 0.44, y) for y in (-0.68, 0.68)]
        stool = [block((0.35, 0.6, 0.05), 0.85, z=0.45), *[block((0.05, 0.05, 0.45), 0.85, y) for y in (-0.25, 0.25)]]
        return [body + legs, [block((0.16, 1.35, 0.04), 0.40, z=0.74), *stool]]
    outline = [
        (0.0, -0.75), (0.5, -0.75), (0.5, 0.75), (-0.2, 0.75), (-0.9, 0.7), (-1.5, 0.35), (-1.6, -0.1), (-1.4, -0.3),
        (-0.9, -0.35), (-0.5, -0.7),
    ]  # fmt: skip
    case = extrude(outline, 0.32, 0.65)
    lid = turned(extrude(outline, 0.03), rng.uniform(0.4, 0.8), axis=0)
    leg = cone(0.05, 0.09, 0.65, 8)
    legs = [moved(leg, place) for place in ((0.3, -0.6, 0.0), (0.3, 0.6, 0.0), (-1.3, 0.1, 0.0))]
    return [[case, moved(lid, (0.0, -0.2, 1.25))], [*legs, block((0.15, 1.3, 0.04), 0.4, z=0.97)]]


def bathtub(rng: Generator) -> Groups:
    """An open tub on feet, with a tap."""
    length, width, height = rng.uniform(1.4, 1.8), rng.uniform(0.65, 0.8), rng.uniform(0.45, 0.6)
    wall = 0.05
    tub = [
        block((length, width, wall), z=0.12),
        *[block((length, wall, height), y=sign * (width - wall) / 2, z=0.12) for sign in (-1, 1)],
        *[block((wall, width, height), sign * (length - wall) / 2, z=0.12) for sign in (-1, 1)],
    ]
    tap = tube([(length / 2, 0, 0.3), (length / 2, 0, height + 0.35), (length / 2 - 0.2, 0, height + 0.35)], 0.03)
    feet = [block((0.1, 0.1, 0.12), x * length * 0.4, y * width * 0.35) for x in (-1, 1) for y in (-1, 1)]
    return [tub, [tap, *feet]]


def floor_lamp(rng: Generator) -> Groups:
    """A standard lamp with a shade."""
    height, shade = rng.uniform(1.4, 1.8), rng.uniform(0.35, 0.5)
    hood = lathe([(shade * 0.6, height - 0.35), (shade * 0.35, height)], 14)
    return [[hood], [cylinder(0.02, height - 0.3, 6), cone(0.2, 0.14, 0.05, 14)]]


def vase(rng: Generator) -> Groups:
    """A vase or amphora: a lathe body of a random profile, with or without handles."""
    heights = np.linspace(0.0, 1.0, 8)
    swell = 0.16 + 0.16 * np.sin(np.pi * heights * rng.uniform(0.8, 1.1)) ** 2
    radius = swell * np.interp(heights, [0, 0.75, 0.88, 1.0], [1.0, 1.0, rng.uniform(0.35, 0.6), rng.uniform(0.6, 0.9)])
    body = lathe(list(zip(radius.tolist(), heights.tolist(), strict=True)), 16)
    if rng.random() < 0.4:
        return [[body]]
    angle = np.linspace(-1.3, 1.3, 7)
    reach, z = 0.2 + 0.16 * np.cos(angle), 0.66 + 0.2 * np.sin(angle)
    return [[body], [tube(np.stack([sign * reach, np.zeros(7), z], axis=1), 0.025) for sign in (-1, 1)]]


def shelf(rng: Generator) -> Groups:
    """Open shelves with a few books."""
    width, height, rows = rng.uniform(0.7, 1.2), rng.uniform(1.2, 2.0), int(rng.integers(3, 6))
    levels = np.linspace(0.05, height - 0.03, rows).tolist()
    boards = [block((0.3, width, 0.03), z=z) for z in levels]
    sides = [block((0.3, 0.03, height), y=sign * width / 2) for sign in (-1, 1)]
    books = []
    for z in levels[:-1]:
        y = -width / 2 + 0.05
        while y < width / 2 * rng.uniform(-0.6, 0.8):
            books.append(block((0.2, 0.05, rng.uniform(0.15, 0.26)), 0.0, y + 0.03, z + 0.03))
            y += 0.06
    return [boards + sides, books] if books else [boards + sides]


def umbrella(rng: Generator) -> Groups:
    """An open umbrella or parasol: ribs of a shallow cone over a stick."""
    radius, height, sides = rng.uniform(0.5, 0.9), rng.uniform(0.8, 1.5), int(rng.integers(6, 10))
    canopy = [(radius, height - 0.3), (radius * 0.98, height - 0.27), (radius * 0.6, height - 0.1), (0.01, height)]
    hook = [(0, 0, height), (0, 0, 0.12), (0.03, 0, 0.03), (0.1, 0, 0.02), (0.14, 0, 0.1)]
    return [[lathe(canopy, sides)], [tube(hook, 0.018)]]


def pram(rng: Generator) -> Groups:
    """A pram: a boxy body with a hood on four wheels."""
    body = standing(extrude([(-0.4, 0.45), (0.3, 0.45), (0.45, 0.8), (-0.5, 0.8)], 0.4))
    hood = standing(extrude([(-0.5, 0.82), (0.0, 0.82), (-0.05, 1.15), (-0.3, 1.25), (-0.52, 1.1)], 0.42))
    wheels = [turned(torus(rng.uniform(0.16, 0.2), 0.025), np.pi / 2, axis=0) for _ in range(4)]
    places = [(x, y, 0.2) for x in (-0.3, 0.3) for y in (-0.22, 0.22)]
    frame = [rod((-0.3, y, 0.2), (0.3, y, 0.5), 0.015) for y in (-0.2, 0.2)]
    frame += [tube([(0.3, -0.2, 0.6), (0.75, -0.2, 1.0), (0.75, 0.2, 1.0), (0.3, 0.2, 0.6)], 0.018)]
    return [[body, hood], [*map(moved, wheels, places), *frame]]


def washing_machine(rng: Generator) -> Groups:
    """A washing machine with its porthole and a hose."""
    size = rng.uniform(0.55, 0.65)
    ring = moved(turned(torus(0.19, 0.035, 18), np.pi / 2, axis=1), (size / 2 + 0.01, 0.0, 0.42))
    panel = box((0.02, size * 0.9, 0.10), (size / 2 + 0.01, 0.0, 0.76))
    angle = np.linspace(0, 5, 16)
    hose = np.stack([-size / 2 - 0.12 + 0.1 * np.cos(angle), 0.1 * np.sin(angle), 0.7 - 0.12 * angle], axis=1)
    return [[block((size, size, 0.85))], [ring, panel, tube(hose, 0.025)]]
