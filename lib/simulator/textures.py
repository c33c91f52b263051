"""Procedural surface patterns: colour at points of a surface, faded where a pixel is larger than the pattern.

All arrays are float32 unless said otherwise; N points; lengths in metres; colours are linear light.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.simulator.scene import Texture

Float32 = npt.NDArray[np.float32]

LATTICE: Final = 32
ASPHALT_COLOR: Final = (0.035, 0.036, 0.04)
"""What shows through worn paint."""


class ValueNoise:
    """Smooth random values over space, one per unit cell and interpolated between; repeats every LATTICE cells."""

    def __init__(self, seed: int) -> None:
        values = np.random.default_rng([seed, 77]).random((LATTICE,) * 3, dtype=np.float32)
        shifts = [(i, j, k) for i in (0, -1) for j in (0, -1) for k in (0, -1)]
        corners = [np.roll(values, shift, axis=(0, 1, 2)).ravel() for shift in shifts]
        self._corners = np.ascontiguousarray(np.stack(corners, axis=1))

    def __call__(self, points: Float32) -> Float32:
        """Values (N,) in [0, 1) at points (N, 3) in units of cells."""
        cell = np.floor(points)
        x, y, z = _smooth(points - cell).T[:, :, None]
        i, j, k = (cell.astype(np.int32) & (LATTICE - 1)).T
        corners = self._corners.take((i * LATTICE + j) * LATTICE + k, axis=0)
        along_x = corners[:, :4] + x * (corners[:, 4:] - corners[:, :4])
        along_y = along_x[:, :2] + y * (along_x[:, 2:] - along_x[:, :2])
        return np.asarray(along_y[:, 0] + z[:, 0] * (along_y[:, 1] - along_y[:, 0]))


@dataclass(frozen=True, eq=False)
class SurfacePoints:
    """N points to be coloured. position_m (N, 3) and normal (N, 3) in the frame the texture is fixed to; footprint_m (N,)
    the size of a pixel on the surface; texture (N,) int32; color, color2 (N, 3); scale_m (N,).
    """

    position_m: Float32
    normal: Float32
    footprint_m: Float32
    texture: npt.NDArray[np.int32]
    color: Float32
    color2: Float32
    scale_m: Float32


@dataclass(frozen=True, eq=False)
class Surface:
    """What shading needs of N points: albedo (N, 3), and glass (N,) in [0, 1], where a pane mirrors or shines."""

    albedo: Float32
    glass: Float32
    lit: Float32
    """(N,) in [0, 1]: the panes behind which a light burns."""


@dataclass(frozen=True)
class _Grain:
    """Random variation of a texture's brightness: relative amplitude and period [m], coarse and fine."""

    coarse: float
    coarse_m: float
    fine: float
    fine_m: float


_GRAIN: Final = {
    Texture.PLAIN: _Grain(0.06, 1.3, 0.04, 0.09),
    Texture.ASPHALT: _Grain(0.30, 2.7, 0.45, 0.055),
    Texture.CONCRETE: _Grain(0.16, 1.7, 0.20, 0.07),
    Texture.GRASS: _Grain(0.45, 1.9, 0.70, 0.11),
    Texture.BRICK: _Grain(0.15, 1.1, 0.20, 0.06),
    Texture.WINDOWS: _Grain(0.10, 3.1, 0.06, 0.15),
    Texture.FOLIAGE: _Grain(0.70, 0.55, 0.80, 0.14),
    Texture.WOOD: _Grain(0.15, 0.9, 0.20, 0.05),
    Texture.METAL: _Grain(0.06, 0.8, 0.05, 0.05),
    Texture.PAINT_WORN: _Grain(0.12, 1.5, 0.15, 0.06),
    Texture.POSTER: _Grain(0.05, 0.9, 0.03, 0.08),
}
_UNUSUAL_GRAIN: Final = _Grain(0.10, 0.9, 0.06, 0.07)


def _grain_table() -> Float32:
    table = np.zeros((max(Texture) + 1, 4), dtype=np.float32)
    for texture in Texture:
        grain = _GRAIN.get(texture, _UNUSUAL_GRAIN)
        table[texture] = (grain.coarse, 1 / grain.coarse_m, grain.fine, 1 / grain.fine_m)
    return table


_GRAINS: Final = _grain_table()


def surface(points: SurfacePoints, noise: ValueNoise) -> Surface:
    """Colour the points by their textures."""
    coarse_amount, coarse_rate, fine_amount, fine_rate = _GRAINS.take(points.texture, axis=0).T
    coarse = noise(points.position_m * coarse_rate[:, None])
    fine = noise(points.position_m * fine_rate[:, None] + np.float32(11.3))
    fade = kept(points.footprint_m * fine_rate)
    gain = 1 + coarse_amount * (2 * coarse - 1) + fine_amount * fade * (2 * fine - 1)
    albedo = points.color * np.maximum(gain, 0)[:, None]
    glass = np.zeros(len(gain), dtype=np.float32)
    lit = np.zeros(len(gain), dtype=np.float32)

    order = np.argsort(points.texture, kind="stable")
    textures, starts = np.unique(points.texture[order], return_index=True)
    for texture, chosen in zip(textures, np.split(order, starts[1:]), strict=True):
        if texture in (Texture.PLAIN, Texture.METAL):
            continue
        patch = _patch(points, chosen, albedo[chosen], coarse[chosen], fine[chosen] * fade[chosen])
        if texture == Texture.WINDOWS:
            albedo[chosen], glass[chosen], lit[chosen] = _windows(patch)
        elif texture in _UNUSUAL:
            second = patch.color2 * np.maximum(gain[chosen], 0)[:, None]
            albedo[chosen] = _mix(patch.albedo, second, _UNUSUAL[texture](patch))
        elif texture in _USUAL:
            albedo[chosen] = _USUAL[texture](patch)
    return Surface(np.minimum(albedo, np.float32(0.95)), glass, lit)


@dataclass(frozen=True, eq=False)
class _Patch:
    """Points of one texture: u, v [m] across the surface (v up on walls), scale and pixel size [m], colours, grain."""

    u: Float32
    v: Float32
    scale: Float32
    footprint: Float32
    albedo: Float32
    color2: Float32
    coarse: Float32
    fine: Float32


def _patch(
    points: SurfacePoints, chosen: npt.NDArray[np.intp], albedo: Float32, coarse: Float32, fine: Float32
) -> _Patch:
    x, y, z = points.position_m[chosen].T
    normal_x, normal_y, normal_z = np.abs(points.normal[chosen]).T
    flat = normal_z > np.maximum(normal_x, normal_y)
    u = np.where(~flat & (normal_x > normal_y), y, x)
    v = np.where(flat, y, z)
    return _Patch(u, v, points.scale_m[chosen], points.footprint_m[chosen], albedo, points.color2[chosen], coarse, fine)


def kept(pixels_per_period: Float32) -> Float32:
    """How much of a pattern a camera resolves, 1 to 0, by the pixel's size in periods of the pattern."""
    return np.clip((np.float32(0.8) - pixels_per_period) * np.float32(2), 0, 1)


def _smooth(t: Float32) -> Float32:
    return t * t * (3 - 2 * t)


def _mix(first: Float32, second: Float32, share: Float32) -> Float32:
    return first + share[:, None] * (second - first)


def bands(position: Float32, duty: float, pixel: Float32) -> Float32:
    """Share of a pixel covered by bands of width `duty` in a period of 1, exact for a box filter of width `pixel`."""
    half = np.maximum(pixel, np.float32(1e-4)) / 2
    above, below = position + half, position - half
    covered = _bands_integral(above, duty) - _bands_integral(below, duty)
    return np.clip(covered / (2 * half), 0, 1)


def _bands_integral(position: Float32, duty: float) -> Float32:
    whole = np.floor(position)
    return np.asarray(whole * np.float32(duty) + np.minimum(position - whole, np.float32(duty)))


def hashed(i: Float32, j: Float32, salt: int) -> Float32:
    """A random value (N,) in [0, 1) for each pair of whole numbers."""
    key = i.astype(np.int64).astype(np.uint32) * np.uint32(73856093)
    key ^= j.astype(np.int64).astype(np.uint32) * np.uint32(19349663) + np.uint32(salt * 83492791 & 0xFFFFFFFF)
    key ^= key >> np.uint32(15)
    key *= np.uint32(0x2C1B3C6D)
    key ^= key >> np.uint32(12)
    key *= np.uint32(0x297A2D39)
    key ^= key >> np.uint32(15)
    return (key >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)


def _asphalt(patch: _Patch) -> Float32:
    tar = np.clip((patch.coarse - np.float32(0.80)) * 8, 0, 1) * np.float32(0.35)
    return patch.albedo * (1 - tar)[:, None]


def _concrete(patch: _Patch) -> Float32:
    pixel = patch.footprint / patch.scale
    joint = 0.025
    lines = np.maximum(bands(patch.u / patch.scale, joint, pixel), bands(patch.v / patch.scale, joint, pixel))
    tone = hashed(np.floor(patch.u / patch.scale), np.floor(patch.v / patch.scale), 1) - np.float32(0.5)
    gain = (1 - np.float32(0.55) * lines) * (1 + np.float32(0.16) * tone * kept(pixel))
    return patch.albedo * gain[:, None]


def _grass(patch: _Patch) -> Float32:
    dry = np.clip((patch.coarse - np.float32(0.45)) * 1.6, 0, 1)
    tint = np.array([0.45, 0.10, -0.15], dtype=np.float32)
    return patch.albedo * (1 + dry[:, None] * tint)


def _brick(patch: _Patch) -> Float32:
    length, height = patch.scale, patch.scale / 3
    row = np.floor(patch.v / height)
    along = patch.u / length + np.float32(0.5) * np.mod(row, 2)
    mortar = np.maximum(
        bands(along, 0.05, patch.footprint / length), bands(patch.v / height, 0.14, patch.footprint / height)
    )
    tone = hashed(np.floor(along), row, 2) - np.float32(0.5)
    bricks = patch.albedo * (1 + np.float32(0.5) * tone * kept(patch.footprint / height))[:, None]
    grey = np.float32(0.35) * patch.albedo.mean(axis=1, keepdims=True) + np.float32(0.14)
    return _mix(bricks, np.broadcast_to(grey, bricks.shape), np.float32(0.8) * mortar)


def _foliage(patch: _Patch) -> Float32:
    gaps = np.clip((np.float32(0.42) - patch.coarse) * 3, 0, 1) * np.float32(0.6)
    return patch.albedo * (1 - gaps)[:, None] * (1 + patch.fine[:, None] * np.array([0.25, 0.1, 0.0], np.float32))


def _wood(patch: _Patch) -> Float32:
    pixel = patch.footprint / patch.scale
    gap = bands(patch.u / patch.scale, 0.06, pixel)
    tone = hashed(np.floor(patch.u / patch.scale), np.zeros_like(patch.u), 3) - np.float32(0.5)
    grain = np.sin(patch.u * 90 + patch.coarse * 14) * np.float32(0.10) * kept(patch.footprint / np.float32(0.07))
    gain = (1 - np.float32(0.6) * gap) * (1 + np.float32(0.3) * tone * kept(pixel) + grain)
    return patch.albedo * gain[:, None]


def _paint_worn(patch: _Patch) -> Float32:
    wear = np.clip((patch.coarse + np.float32(0.5) * patch.fine - np.float32(0.75)) * 2.5, 0, np.float32(0.75))
    return _mix(patch.albedo, np.broadcast_to(np.float32(ASPHALT_COLOR), patch.albedo.shape), wear)


def _poster(patch: _Patch) -> Float32:
    block = hashed(np.floor(patch.u / patch.scale), np.floor(patch.v / (patch.scale * np.float32(0.6))), 4)
    share = np.float32(0.45) + ((block > 0.55).astype(np.float32) - np.float32(0.45)) * kept(
        patch.footprint / patch.scale
    )
    return _mix(patch.albedo, patch.color2, share)


def _windows(patch: _Patch) -> tuple[Float32, Float32, Float32]:
    """A facade: panes in frames, one per cell of scale_m; some panes are lit from within."""
    u, v, pixel = patch.u / patch.scale, patch.v / patch.scale, patch.footprint / patch.scale
    pane = bands(u - np.float32(0.25), 0.5, pixel) * bands(v - np.float32(0.30), 0.52, pixel)
    frame = bands(u - np.float32(0.20), 0.6, pixel) * bands(v - np.float32(0.24), 0.62, pixel) - pane
    column, row = np.floor(u), np.floor(v)
    curtain = np.clip((hashed(column, row, 5) - np.float32(0.55)) * 2, 0, 1)[:, None]
    curtain_color = np.array([0.42, 0.38, 0.32], dtype=np.float32)
    panes = patch.color2 + np.float32(0.5) * curtain * (curtain_color - patch.color2)
    storey = bands(v, 0.035, pixel)
    wall = patch.albedo * (1 - np.float32(0.3) * storey)[:, None]
    wall = _mix(wall, np.minimum(wall * 1.5 + np.float32(0.05), 1), np.maximum(frame, 0))
    lit = (hashed(column, row, 6) > 0.62).astype(np.float32) * pane
    return _mix(wall, panes, pane), pane * (1 - np.float32(0.6) * curtain[:, 0]), lit


def _stripes(patch: _Patch) -> Float32:
    return bands(patch.u / patch.scale, 0.5, patch.footprint / patch.scale)


def _checks(patch: _Patch) -> Float32:
    pixel = patch.footprint / patch.scale
    first, second = bands(patch.u / patch.scale, 0.5, pixel), bands(patch.v / patch.scale, 0.5, pixel)
    return first + second - 2 * first * second


def _dots(patch: _Patch) -> Float32:
    u, v = np.mod(patch.u / patch.scale, 1) - 0.5, np.mod(patch.v / patch.scale, 1) - 0.5
    radius, pixel = 0.32, patch.footprint / patch.scale
    inside = np.clip((radius - np.hypot(u, v)) / np.maximum(pixel, 0.02) + 0.5, 0, 1)
    mean = np.float32(np.pi * radius**2)
    return np.asarray(mean + (inside - mean) * kept(pixel), dtype=np.float32)


def _rings(patch: _Patch) -> Float32:
    side = patch.scale * 4
    u, v = (np.mod(patch.u / side, 1) - 0.5) * 4, (np.mod(patch.v / side, 1) - 0.5) * 4
    return bands(np.hypot(u, v).astype(np.float32), 0.5, patch.footprint / patch.scale)


def _zigzag(patch: _Patch) -> Float32:
    tooth = np.abs(np.mod(patch.u / patch.scale, 1) - np.float32(0.5))
    return bands(patch.v / patch.scale + tooth, 0.5, patch.footprint * np.float32(1.4) / patch.scale)


def _plaid(patch: _Patch) -> Float32:
    pixel = patch.footprint / patch.scale
    return (bands(patch.u / patch.scale, 0.4, pixel) + bands(patch.v / patch.scale, 0.4, pixel)) / 2


def _hazard(patch: _Patch) -> Float32:
    return bands((patch.u + patch.v) / (patch.scale * np.float32(np.sqrt(2))), 0.5, patch.footprint / patch.scale)


_USUAL: Final[dict[int, Callable[[_Patch], Float32]]] = {
    Texture.ASPHALT: _asphalt,
    Texture.CONCRETE: _concrete,
    Texture.GRASS: _grass,
    Texture.BRICK: _brick,
    Texture.FOLIAGE: _foliage,
    Texture.WOOD: _wood,
    Texture.PAINT_WORN: _paint_worn,
    Texture.POSTER: _poster,
}
_UNUSUAL: Final[dict[int, Callable[[_Patch], Float32]]] = {
    Texture.STRIPES: _stripes,
    Texture.CHECKS: _checks,
    Texture.DOTS: _dots,
    Texture.RINGS: _rings,
    Texture.ZIGZAG: _zigzag,
    Texture.PLAID: _plaid,
    Texture.HAZARD: _hazard,
}
