"""Procedural surface textures: colours at points of a surface, faded if a pixel is larger than the pattern.

Arrays are float32 unless said otherwise, vectors (3, N), lengths in metres, colours linear light.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.simulator.patterns import UNUSUAL, UNVARIED, USUAL, Patch, lerp, resolved_fraction, windows
from lib.simulator.raycast import Float32
from lib.simulator.scene import Texture

LATTICE: Final = 32


class ValueNoise:
    """Smooth random values over space, one per unit cell and interpolated between; repeats every LATTICE cells."""

    def __init__(self, seed: int) -> None:
        values = np.random.default_rng([seed, 77]).random((LATTICE,) * 3, dtype=np.float32)
        self._values = np.pad(values, ((0, 1),) * 3, mode="wrap").ravel()

    def __call__(self, points: Float32) -> Float32:
        """Values (N,) in [0, 1) at points (3, N) in units of cells."""
        whole = np.floor(points)
        t = points - whole
        x, y, z = t * t * (3 - 2 * t)
        i, j, k = whole.astype(np.int32) & (LATTICE - 1)
        row = LATTICE + 1
        corner = (i * row + j) * row + k

        def along_z(offset: int) -> Float32:
            return lerp(self._values.take(corner + offset), self._values.take(corner + (offset + 1)), z)

        near = lerp(along_z(0), along_z(row), y)
        far = lerp(along_z(row * row), along_z(row * row + row), y)
        return lerp(near, far, x)


@dataclass(frozen=True, eq=False)
class SurfacePoints:
    """N points to colour: position_m and normal (3, N) in the object's frame; footprint_m: a pixel's size there."""

    position_m: Float32
    normal: Float32
    footprint_m: Float32
    texture: npt.NDArray[np.int32]
    color: Float32
    color2: Float32
    scale_m: Float32


@dataclass(frozen=True, eq=False)
class Surface:
    """N points for shading: albedo (3, N); fraction (N,) of the pixel that is a window pane (glass), and a lit one."""

    albedo: Float32
    glass: Float32
    lit: Float32


_GRAIN: Final = {
    Texture.PLAIN: (0.06, 1.3, 0.04, 0.05),
    Texture.ASPHALT: (0.25, 2.7, 0.60, 0.018),
    Texture.CONCRETE: (0.16, 1.7, 0.25, 0.03),
    Texture.GRASS: (0.45, 1.9, 0.75, 0.05),
    Texture.BRICK: (0.15, 1.1, 0.20, 0.03),
    Texture.WINDOWS: (0.10, 3.1, 0.06, 0.08),
    Texture.FOLIAGE: (0.70, 0.45, 0.80, 0.09),
    Texture.WOOD: (0.15, 0.9, 0.20, 0.03),
    Texture.METAL: (0.06, 0.8, 0.05, 0.03),
    Texture.PAINT_WORN: (0.12, 1.5, 0.25, 0.04),
    Texture.POSTER: (0.05, 0.9, 0.03, 0.05),
}
"""Random variation of a texture's brightness: relative amplitude and period [m], coarse and fine."""
_UNUSUAL_GRAIN: Final = (0.10, 0.9, 0.06, 0.05)
_GRAINS: Final = np.zeros((4, max(Texture) + 1), dtype=np.float32)
"""By texture: amplitude and frequency [1/m], coarse and fine."""
for _texture in Texture:
    _coarse, _coarse_m, _fine, _fine_m = _GRAIN.get(_texture, _UNUSUAL_GRAIN)
    _GRAINS[:, _texture] = (_coarse, 1 / _coarse_m, _fine, 1 / _fine_m)


def surface(points: SurfacePoints, noise: ValueNoise) -> Surface:
    """Colour the points by their textures."""
    coarse_amount, coarse_rate, fine_amount, fine_rate = _GRAINS.take(points.texture, axis=1)
    turned = _askew(points.position_m)
    pixel_m, half = points.footprint_m, np.float32(0.5)
    coarse = (noise(turned * coarse_rate) * 2 - 1) * resolved_fraction(pixel_m * coarse_rate * half)
    fine = (noise(turned * fine_rate) * 2 - 1) * resolved_fraction(pixel_m * fine_rate * np.float32(0.7))
    gain = np.maximum(1 + coarse_amount * coarse + fine_amount * fine, 0)
    albedo = points.color * gain
    glass, lit = np.zeros((2, len(gain)), dtype=np.float32)
    for texture in np.unique(points.texture).tolist():
        if texture in UNVARIED:
            continue
        chosen = np.flatnonzero(points.texture == texture)
        patch = _patch(points, chosen, albedo[:, chosen], coarse[chosen], fine[chosen])
        if texture in USUAL:
            albedo[:, chosen] = USUAL[texture](patch)
        elif texture in UNUSUAL:
            second = patch.color2 * gain[chosen]
            albedo[:, chosen] = lerp(patch.albedo, second, UNUSUAL[texture](patch))
        else:
            assert texture == Texture.WINDOWS
            albedo[:, chosen], glass[chosen], lit[chosen] = windows(patch)
    return Surface(np.minimum(albedo, np.float32(0.95)), glass, lit)


def _patch(
    points: SurfacePoints, chosen: npt.NDArray[np.intp], albedo: Float32, coarse: Float32, fine: Float32
) -> Patch:
    x, y, z = points.position_m[:, chosen]
    normal_x, normal_y, normal_z = np.abs(points.normal[:, chosen])
    rate = np.asarray(1 / points.scale_m[chosen], dtype=np.float32)
    flat = normal_z > np.maximum(normal_x, normal_y)
    u = np.where(~flat & (normal_x > normal_y), y, x) * rate
    v = np.where(flat, y, z) * rate
    return Patch(u, v, points.footprint_m[chosen] * rate, albedo, points.color2[:, chosen], coarse, fine)


def _askew(points: Float32) -> Float32:
    """Rotate points (3, N), so that the noise's cells are not aligned with walls and kerbs."""
    x, y, z = points
    first = np.float32(0.80) * x - np.float32(0.48) * y + np.float32(0.36) * z
    second = np.float32(0.60) * x + np.float32(0.64) * y - np.float32(0.48) * z
    return np.stack([first, second, np.float32(0.60) * y + np.float32(0.80) * z])
