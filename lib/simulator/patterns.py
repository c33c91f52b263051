"""Surface patterns as functions of surface coordinates in periods of the pattern, antialiased by the pixel's size.

Arrays are float32, (N,), colours (3, N) in linear light.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from lib.simulator.raycast import Float32
from lib.simulator.scene import Texture

_ASPHALT: Final = np.array([[0.035], [0.036], [0.040]], dtype=np.float32)
"""The colour under worn paint."""
_CURTAIN: Final = np.array([[0.42], [0.38], [0.32]], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Patch:
    """N points of one texture: u, v on the surface (v up on walls) and pixel size, in periods; albedo (3, N) including
    the grain, color2 (3, N); coarse and fine parts of the grain in [-1, 1].
    """

    u: Float32
    v: Float32
    pixel: Float32
    albedo: Float32
    color2: Float32
    coarse: Float32
    fine: Float32


def lerp(first: Float32, second: Float32, weight: Float32) -> Float32:
    """Linear interpolation from first (weight 0) to second (weight 1)."""
    return np.asarray(first + weight * (second - first))


def resolved_fraction(pixel: Float32) -> Float32:
    """Contrast (N,) that remains of a pattern, 1 to 0, given the pixel's size in periods of the pattern."""
    return np.asarray(np.clip((np.float32(0.8) - pixel) * np.float32(2), 0, 1))


def bands(position: Float32, duty: float, pixel: Float32) -> Float32:
    """Fraction of a pixel covered by bands of width `duty` and period 1, exactly integrated over the pixel."""
    half = np.maximum(pixel, np.float32(1e-3)) * np.float32(0.5)
    covered = _bands_integral(position + half, duty) - _bands_integral(position - half, duty)
    return np.asarray(np.clip(covered / (2 * half), 0, 1))


def _bands_integral(position: Float32, duty: float) -> Float32:
    whole = np.floor(position)
    return np.asarray(whole * np.float32(duty) + np.minimum(position - whole, np.float32(duty)))


def hashed(i: Float32, j: Float32, salt: int) -> Float32:
    """A pseudo-random value (N,) in [0, 1) for each pair of integers."""
    key = i.astype(np.int32).view(np.uint32) * np.uint32(73856093)
    key ^= j.astype(np.int32).view(np.uint32) * np.uint32(19349663) + np.uint32(salt * 83492791 & 0xFFFFFFFF)
    key ^= key >> np.uint32(15)
    key *= np.uint32(0x2C1B3C6D)
    key ^= key >> np.uint32(12)
    key *= np.uint32(0x297A2D39)
    key ^= key >> np.uint32(15)
    return (key >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)


def _asphalt(patch: Patch) -> Float32:
    tar = np.clip((patch.coarse - np.float32(0.55)) * 4, 0, 1) * np.float32(0.35)
    return np.asarray(patch.albedo * (1 - tar))


def _concrete(patch: Patch) -> Float32:
    joints = np.maximum(bands(patch.u, 0.03, patch.pixel), bands(patch.v, 0.03, patch.pixel))
    tone = (hashed(np.floor(patch.u), np.floor(patch.v), 1) - np.float32(0.5)) * np.float32(0.16)
    return patch.albedo * ((1 - np.float32(0.5) * joints) * (1 + tone * resolved_fraction(patch.pixel)))


def _grass(patch: Patch) -> Float32:
    dry = np.clip(patch.coarse + np.float32(0.1), 0, 1) * np.float32(0.8)
    return np.stack([patch.albedo[0] * (1 + np.float32(0.5) * dry), patch.albedo[1], patch.albedo[2] * (1 - dry / 5)])


def _brick(patch: Patch) -> Float32:
    height, pixel = patch.v * 3, patch.pixel * 3
    row = np.floor(height)
    along = np.asarray(patch.u + np.float32(0.5) * np.mod(row, 2), dtype=np.float32)
    mortar = np.maximum(bands(along, 0.05, patch.pixel), bands(height, 0.14, pixel))
    tone = hashed(np.floor(along), row, 2) - np.float32(0.5)
    bricks = patch.albedo * (1 + np.float32(0.5) * tone * resolved_fraction(pixel))
    grey = np.float32(0.35) * patch.albedo.mean(axis=0) + np.float32(0.14)
    return lerp(bricks, grey, np.float32(0.8) * mortar)


def _foliage(patch: Patch) -> Float32:
    gaps = np.clip(-np.float32(0.15) - patch.coarse, 0, np.float32(0.4)) * np.float32(1.5)
    sunny = 1 + np.float32(0.25) * patch.fine
    leaves = np.asarray(patch.albedo * (1 - gaps))
    leaves[0] *= sunny
    return leaves


def _wood(patch: Patch) -> Float32:
    tone = hashed(np.floor(patch.u), np.zeros_like(patch.u), 3) - np.float32(0.5)
    grain = np.sin(patch.u * 25 + patch.coarse * 7) * np.float32(0.10) * resolved_fraction(patch.pixel * 4)
    gap = np.float32(0.6) * bands(patch.u, 0.06, patch.pixel)
    gain = (1 - gap) * (1 + np.float32(0.3) * tone * resolved_fraction(patch.pixel) + grain)
    return np.asarray(patch.albedo * gain)


def _paint_worn(patch: Patch) -> Float32:
    wear = np.clip((patch.coarse + np.float32(0.5) * patch.fine - np.float32(0.35)) * 2, 0, np.float32(0.75))
    return lerp(patch.albedo, _ASPHALT, wear)


def _poster(patch: Patch) -> Float32:
    block = hashed(np.floor(patch.u), np.floor(patch.v / np.float32(0.6)), 4) > 0.55
    weight = np.float32(0.45) + (block - np.float32(0.45)) * resolved_fraction(patch.pixel)
    return lerp(patch.albedo, patch.color2, weight)


def windows(patch: Patch) -> tuple[Float32, Float32, Float32]:
    """A facade with one framed pane per period: albedo (3, N), fraction of pane (N,), fraction of lit pane (N,)."""
    u, v, pixel = patch.u, patch.v, patch.pixel
    pane = bands(u - np.float32(0.25), 0.5, pixel) * bands(v - np.float32(0.30), 0.52, pixel)
    frame = bands(u - np.float32(0.21), 0.58, pixel) * bands(v - np.float32(0.25), 0.61, pixel) - pane
    column, row = np.floor(u), np.floor(v)
    curtain = np.clip(hashed(column, row, 5) * 2 - 1, 0, 1) * resolved_fraction(pixel)
    wall = patch.albedo * (1 - np.float32(0.3) * bands(v, 0.035, pixel))
    wall = lerp(wall, wall * np.float32(1.4) + np.float32(0.04), np.maximum(frame, 0))
    panes = lerp(patch.color2, _CURTAIN, np.float32(0.5) * curtain)
    lit = (hashed(column, row, 6) > 0.72) * pane
    return lerp(wall, panes, pane), pane * (1 - np.float32(0.6) * curtain), lit


def _checks(patch: Patch) -> Float32:
    first, second = bands(patch.u, 0.5, patch.pixel), bands(patch.v, 0.5, patch.pixel)
    return first + second - 2 * first * second


def _dots(patch: Patch) -> Float32:
    u, v = patch.u - np.floor(patch.u) - np.float32(0.5), patch.v - np.floor(patch.v) - np.float32(0.5)
    radius = np.float32(0.32)
    inside = np.clip((radius - np.sqrt(u * u + v * v)) / np.maximum(patch.pixel, np.float32(0.02)) + 0.5, 0, 1)
    mean = np.float32(np.pi) * radius**2
    return np.asarray(mean + (inside - mean) * resolved_fraction(patch.pixel), dtype=np.float32)


def _rings(patch: Patch) -> Float32:
    """Rings about centres four periods apart."""
    u, v = (4 * (w / 4 - np.floor(w / 4)) - 2 for w in (patch.u, patch.v))
    return bands(np.sqrt(u * u + v * v), 0.5, patch.pixel)


def _zigzag(patch: Patch) -> Float32:
    tooth = np.abs(patch.u - np.floor(patch.u) - np.float32(0.5))
    return bands(patch.v + tooth, 0.5, patch.pixel * np.float32(1.4))


UNVARIED: Final = (Texture.PLAIN, Texture.METAL)
"""Textures without a pattern, only grain."""
USUAL: Final[dict[int, Callable[[Patch], Float32]]] = {
    Texture.ASPHALT: _asphalt,
    Texture.CONCRETE: _concrete,
    Texture.GRASS: _grass,
    Texture.BRICK: _brick,
    Texture.FOLIAGE: _foliage,
    Texture.WOOD: _wood,
    Texture.PAINT_WORN: _paint_worn,
    Texture.POSTER: _poster,
}
"""Functions for the albedo (3, N) of normal textures; `windows` is separate."""
UNUSUAL: Final[dict[int, Callable[[Patch], Float32]]] = {
    Texture.STRIPES: lambda p: bands(p.u, 0.5, p.pixel),
    Texture.CHECKS: _checks,
    Texture.DOTS: _dots,
    Texture.RINGS: _rings,
    Texture.ZIGZAG: _zigzag,
    Texture.PLAID: lambda p: (bands(p.u, 0.4, p.pixel) + bands(p.v, 0.4, p.pixel)) * np.float32(0.5),
    Texture.HAZARD: lambda p: bands((p.u + p.v) * np.float32(np.sqrt(0.5)), 0.5, p.pixel),
}
"""Functions for the fraction (N,) of color2."""
