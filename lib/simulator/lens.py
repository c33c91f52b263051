"""From light to an image: exposure, rain, lens blur and vignette, sensor noise, gamma."""

from typing import Final

import numpy as np
import numpy.typing as npt

from lib.simulator.raycast import Float32
from lib.simulator.scene import Weather

_BLUR: Final = np.float32(0.09)
_TARGET_DAY: Final = 0.24
_TARGET_NIGHT: Final = 0.12
_GAIN_LIMITS: Final = (0.7, 2.8)
_STREAKS_PER_MEGAPIXEL: Final = {"SOFT_RAIN": 1500, "MID_RAIN": 3000, "HARD_RAIN": 5000}


def develop(light: Float32, weather: Weather, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Convert linear light (3, H, W) to a camera image (H, W, 3) uint8 RGB."""
    image = light * _exposure(light, weather)
    for preset, amount in _STREAKS_PER_MEGAPIXEL.items():
        if preset in weather.preset:
            _draw_rain(image, amount, rng)
    image = _blurred(image) * _vignette(*image.shape[1:])
    shown = np.sqrt(1 - np.exp(np.float32(-1.35) * image))
    shown += np.float32(weather.camera_noise) * rng.standard_normal(shown.shape, dtype=np.float32)
    pixels = (np.clip(shown, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(pixels, 0, -1))


def _exposure(light: Float32, weather: Weather) -> np.float32:
    """Gain of an automatic exposure, which clips the brightest pixels before metering."""
    metered = float(np.minimum(light, np.float32(1)).mean())
    target = _TARGET_NIGHT if weather.night else _TARGET_DAY
    return np.float32(np.clip(target / max(metered, 1e-6), *_GAIN_LIMITS))


def _blurred(image: Float32) -> Float32:
    """Blur of the lens, less than a pixel wide. It softens the aliased edges of one ray per pixel."""
    padded = np.pad(image, ((0, 0), (1, 1), (0, 0)), mode="edge")
    image = image + _BLUR * (padded[:, :-2] + padded[:, 2:] - 2 * image)
    padded = np.pad(image, ((0, 0), (0, 0), (1, 1)), mode="edge")
    return np.asarray(image + _BLUR * (padded[:, :, :-2] + padded[:, :, 2:] - 2 * image))


def _vignette(height: int, width: int) -> Float32:
    row, column = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5 for size in (height, width))
    squared = row[:, None] ** 2 + column[None, :] ** 2
    return np.asarray(1 - np.float32(0.45) * squared, dtype=np.float32)


def _draw_rain(image: Float32, streaks_per_megapixel: int, rng: np.random.Generator) -> None:
    """Draw rain streaks into the image (3, H, W), in place."""
    height, width = image.shape[1:]
    count = max(1, round(streaks_per_megapixel * height * width / 1e6 * (768 / width)))
    length = max(3, height // 22)
    slant = rng.normal(0.0, 0.12)
    step = np.arange(length)
    size = rng.uniform(0.4, 1.0, (count, 1))
    row = (rng.uniform(-length, height, (count, 1)) + step * size).astype(np.int64)
    column = (rng.uniform(0, width, (count, 1)) + step * size * slant).astype(np.int64)
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    cover = np.zeros((height, width), dtype=np.float32)
    strength = np.broadcast_to(rng.uniform(0.08, 0.30, (count, 1)), row.shape).astype(np.float32)
    np.maximum.at(cover, (row[inside], column[inside]), strength[inside])
    drop = np.float32(1.25) * image.mean(axis=(1, 2), keepdims=True) + np.float32(0.03)
    image += cover * (drop - image)
