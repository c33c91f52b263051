"""Outlines of thin sheets on the ground: around the origin, counter-clockwise, at any scale.

They are a few millimetres thick, so that only their appearance is anomalous.
"""

import numpy as np
from numpy.random import Generator

from lib.simulator.shapes import Float


def carpet(rng: Generator) -> list[Float]:
    """A rectangular carpet."""
    return [_rectangle(1.0, float(rng.uniform(0.5, 0.9)))]


def round_rug(rng: Generator) -> list[Float]:
    """A round or oval rug."""
    angle = np.arange(24) * np.pi / 12
    return [np.stack([np.cos(angle), float(rng.uniform(0.6, 1.0)) * np.sin(angle)], axis=1)]


def towels(rng: Generator) -> list[Float]:
    """Two or three towels across one another's ends."""
    count = int(rng.integers(2, 4))
    return [_turned(_rectangle(0.9, 0.45), rng.uniform(-0.5, 0.5)) + np.array((0.0, 0.5 * i)) for i in range(count)]


def banner(rng: Generator) -> list[Float]:
    """A long banner with swallow tails."""
    half = float(rng.uniform(0.10, 0.18))
    return [np.array([(-1.0, -half), (1.0, -half), (0.85, 0.0), (1.0, half), (-1.0, half), (-0.85, 0.0)])]


def star_mat(rng: Generator) -> list[Float]:
    """A star."""
    points = int(rng.integers(5, 9))
    angle = np.arange(2 * points) * np.pi / points
    radius = np.where(np.arange(2 * points) % 2 == 0, 1.0, float(rng.uniform(0.4, 0.65)))
    return [np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)]


def game_board(rng: Generator) -> list[Float]:
    """Square mats in a row or a cross, as for a giant board game."""
    cross, row = ((0, 0), (1.1, 0), (-1.1, 0), (0, 1.1), (0, -1.1)), [(1.1 * i, 0) for i in range(4)]
    return [_rectangle(1.0, 1.0) + np.array(place) for place in (cross if rng.random() < 0.5 else row)]


def arrow_mat(rng: Generator) -> list[Float]:
    """A broad arrow that no road authority paints."""
    neck = float(rng.uniform(0.12, 0.3))
    return [np.array([(-1, -neck), (0.2, -neck), (0.2, -0.6), (1, 0), (0.2, 0.6), (0.2, neck), (-1, neck), (-0.7, 0)])]


def paint_spill(rng: Generator) -> list[Float]:
    """Paint run out of a bucket: long fingers from a pool."""
    fingers = int(rng.integers(5, 9))
    angle = np.arange(4 * fingers) * np.pi / (2 * fingers)
    radius = np.where(np.arange(4 * fingers) % 4 < 2, rng.uniform(0.6, 1.0, 4 * fingers), 0.42)
    return [np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)]


def giant_leaf(rng: Generator) -> list[Float]:
    """A palm leaf, cut between its fingers."""
    fingers, outline = 5, []
    for i in range(fingers):
        x = -0.6 + 0.3 * i
        outline += [(x, 0.06), (x + 0.28, float(rng.uniform(0.4, 0.6))), (x + 0.16, 0.06)]
    upper = [(-1.0, 0.02), *outline, (0.95, 0.04), (1.1, 0.0)]
    lower = [(x, -y) for x, y in upper[:-1]]
    return [np.array(lower + upper[::-1])]


def animal_hide(rng: Generator) -> list[Float]:
    """A hide with four legs, head and tail."""
    half = [
        (1.0, 0.0), (0.9, 0.14), (0.6, 0.16), (0.62, 0.6), (0.45, 0.62), (0.3, 0.3), (-0.35, 0.34), (-0.5, 0.66),
        (-0.68, 0.6), (-0.62, 0.15), (-1.1, 0.04),
    ]  # fmt: skip
    width = float(rng.uniform(0.8, 1.15))
    return [np.array([(x, width * y) for x, y in half] + [(x, -width * y) for x, y in half[:0:-1]])]


def tarpaulin(rng: Generator) -> list[Float]:
    """A tarpaulin or poster fallen from above, its corners folded in."""
    y, fold = float(rng.uniform(0.5, 0.9)), rng.uniform(0.1, 0.45, 4)
    return [np.array([(-1 + fold[0], -y), (1, -y + fold[1]), (1 - fold[2], y), (-1, y - fold[3])])]


def landing_mat(rng: Generator) -> list[Float]:
    """The H of a helicopter's landing place."""
    bar = float(rng.uniform(0.18, 0.3))
    inner = 1 - 2 * bar
    lower = np.array([(-1, -1), (-inner, -1), (-inner, -bar), (inner, -bar), (inner, -1), (1, -1)])
    return [np.concatenate([lower, -lower])]


def _rectangle(length: float, width: float) -> Float:
    x, y = length / 2, width / 2
    return np.array([(-x, -y), (x, -y), (x, y), (-x, y)])


def _turned(outline: Float, angle: float) -> Float:
    cosine, sine, (x, y) = float(np.cos(angle)), float(np.sin(angle)), outline.T
    return np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=1)
