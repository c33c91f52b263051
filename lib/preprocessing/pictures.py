"""Agreement of a camera's image with its labels: edges where classes and depth change, plants redder than the sky."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lib.anovox.format.files import DEPTH_MAX_M, DEPTH_STEPS
from lib.common.labels import SKY, TERRAIN, VEGETATION, is_anomaly
from lib.geometry.frame import Frame
from lib.preprocessing.summed import Summed

ROWS: Final = 128
"""Approximate number of rows that are examined per image, evenly spread: a quarter of those of AnoVox's images."""
OUTLINE_M: Final = 0.5
OUTLINE_FRACTION: Final = 0.1
ONE_COLOR_STEP: Final = 1
"""Maximum strong step of an image with a single colour, to allow for rounding in a codec."""
_COLORS: Final = 256

Bools = npt.NDArray[np.bool_]
Colors = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ColorSums(Summed):
    """Sums of red, green and blue over some pixels, and the number of these."""

    red: int = 0
    green: int = 0
    blue: int = 0
    pixels: int = 0

    @property
    def redness(self) -> float:
        """(red - blue) / mean colour."""
        return 3 * (self.red - self.blue) / max(1, self.red + self.green + self.blue)


@dataclass(frozen=True)
class PictureCounts(Summed):
    """Sums over some images.

    A *fit* is the AUROC with which the colour difference between neighbouring pixels separates pairs across an outline
    from pairs within an object, weighted by the image's number of pairs across outlines. `outline_pairs`: pairs across
    outlines of class or depth; `true_fit`: with the outlines at their true place; `mirrored_fit`, `quarter_fit`,
    `half_fit`, `three_quarters_fit`: with the outlines mirrored, or rolled by a fraction of the width, for comparison.

    Over images whose previous tick was read too: `sequel_pairs`; `late_fit`: fit of the image with the outlines of the
    previous tick, minus that with its own; `early_fit`: fit of the previous image with these outlines, minus that with
    its own.

    `anomaly_pairs`, `anomaly_fit`: as outline_pairs and true_fit, for outlines of anomalies only.

    `strong_step`: sum over images of the 99th percentile of colour differences; `one_color`: images in which it is at
    most ONE_COLOR_STEP; `pixels`; `brightness`: sum of all channels; `clipped`: channels at 255; `as_depth`,
    `as_class`: pixels that are coded like their depth in DEPTH_CAM, or like their class in SEMANTIC-CAM. `plants`,
    `sky`: sums of red, green and blue over plants (vegetation, terrain) and over the sky, and their pixels.
    """

    images: int = 0
    outline_pairs: int = 0
    true_fit: float = 0.0
    mirrored_fit: float = 0.0
    quarter_fit: float = 0.0
    half_fit: float = 0.0
    three_quarters_fit: float = 0.0
    sequel_pairs: int = 0
    late_fit: float = 0.0
    early_fit: float = 0.0
    anomaly_pairs: int = 0
    anomaly_fit: float = 0.0
    strong_step: int = 0
    one_color: int = 0
    pixels: int = 0
    brightness: int = 0
    clipped: int = 0
    as_depth: int = 0
    as_class: int = 0
    plants: ColorSums = field(default_factory=ColorSums)
    sky: ColorSums = field(default_factory=ColorSums)

    @property
    def gap(self) -> float | None:
        """AUROC of the true outlines minus the best AUROC of misplaced ones; None without outlines."""
        elsewhere = max(self.mirrored_fit, self.quarter_fit, self.half_fit, self.three_quarters_fit)
        return (self.true_fit - elsewhere) / self.outline_pairs if self.outline_pairs else None

    @property
    def looks_mirrored(self) -> bool:
        """Whether mirrored outlines fit the image's edges best."""
        others = self.true_fit, self.quarter_fit, self.half_fit, self.three_quarters_fit
        return self.mirrored_fit > max(others)

    @property
    def mean_color(self) -> float:
        """Mean of the images' colours, 0 to 255."""
        return self.brightness / max(1, 3 * self.pixels)


def picture_counts(frame: Frame, before: Frame | None = None) -> PictureCounts:
    """Counts of one frame's image, at its original resolution.

    `before`: the same camera's frame of the previous tick, if it was read.
    """
    step = max(1, len(frame.image) // ROWS)
    image, class_ids = frame.image[1::step], frame.pixel_class[1::step]
    differences, outlines, of_anomalies = _differences(frame), _outlines(frame), _outlines_of_anomalies(frame)
    pairs, anomaly_pairs = (sum(int(outline.sum()) for outline in each) for each in (outlines, of_anomalies))
    every = _histogram(differences)
    true_fit = _fit(differences, every, outlines)
    quarter = max(1, frame.camera.width_px // 4)
    rolled = [[np.roll(outline, quarter * number, axis=1) for outline in outlines] for number in (1, 2, 3)]
    quarter_fit, half_fit, three_quarters_fit = (pairs * _fit(differences, every, place) for place in rolled)
    late_fit = early_fit = 0.0
    if before is not None:
        differences_before, outlines_before = _differences(before), _outlines(before)
        every_before = _histogram(differences_before)
        late_fit = _fit(differences, every, outlines_before) - true_fit
        early_fit = _fit(differences_before, every_before, outlines)
        early_fit -= _fit(differences_before, every_before, outlines_before)
    strong_step = int(np.searchsorted(np.cumsum(every), 0.99 * every.sum()))
    return PictureCounts(
        images=1,
        outline_pairs=pairs,
        true_fit=pairs * true_fit,
        mirrored_fit=pairs * _fit(differences, every, [outline[:, ::-1] for outline in outlines]),
        quarter_fit=quarter_fit,
        half_fit=half_fit,
        three_quarters_fit=three_quarters_fit,
        sequel_pairs=pairs if before is not None else 0,
        late_fit=pairs * late_fit,
        early_fit=pairs * early_fit,
        anomaly_pairs=anomaly_pairs,
        anomaly_fit=anomaly_pairs * _fit(differences, every, of_anomalies, besides=outlines),
        strong_step=strong_step,
        one_color=int(strong_step <= ONE_COLOR_STEP),
        pixels=class_ids.size,
        brightness=int(image.sum(dtype=np.int64)),
        clipped=int(np.count_nonzero(image == _COLORS - 1)),
        as_depth=_as_depth(image, frame.depth_m[1::step]),
        as_class=int(np.count_nonzero(image[..., 0] == class_ids)),
        plants=_color_sums(image, np.isin(class_ids, (VEGETATION, TERRAIN))),
        sky=_color_sums(image, class_ids == SKY),
    )


def _pairs(array: npt.NDArray[Any]) -> tuple[tuple[npt.NDArray[Any], npt.NDArray[Any]], ...]:
    """Neighbouring pixels of an image (H, W, ...): right and left, below and above, each (h, w, ...)."""
    step = max(1, len(array) // ROWS)
    rows, above = slice(1, None, step), slice(None, -1, step)
    return (array[rows, 1:], array[rows, :-1]), (array[rows], array[above])


def _differences(frame: Frame) -> list[Colors]:
    """Largest channel difference (h, w) of each pair of `_pairs`; by channel, which is many times faster."""
    found = []
    for first, second in _pairs(frame.image):
        red, green, blue = (np.maximum(first, second) - np.minimum(first, second)).transpose(2, 0, 1)
        found.append(np.asarray(np.maximum(np.maximum(red, green), blue)))
    return found


def _outlines(frame: Frame) -> list[Bools]:
    """Pairs of `_pairs` between which class or depth changes."""
    outlines = []
    for (near_m, far_m), (first, second) in zip(_pairs(frame.depth_m), _pairs(frame.pixel_class), strict=True):
        apart = np.abs(near_m - far_m) > OUTLINE_M + OUTLINE_FRACTION * np.minimum(near_m, far_m)
        outlines.append(np.asarray(apart | (first != second)))
    return outlines


def _outlines_of_anomalies(frame: Frame) -> list[Bools]:
    """Pairs of `_pairs` with one anomalous and one normal pixel."""
    return [np.asarray(first != second) for first, second in _pairs(is_anomaly(frame.pixel_class))]


def _fit(
    differences: Sequence[Colors], every: Counts, across: Sequence[Bools], besides: Sequence[Bools] | None = None
) -> float:
    """AUROC of colour differences between pairs `across` an outline and the others; 0.5 if there are none.

    `every`: histogram (256,) of all differences; `besides`: pairs to exclude from the others, by default `across`.
    """
    outside = _histogram(differences, across)
    inside = every - (outside if besides is None else _histogram(differences, besides))
    if not inside.sum() or not outside.sum():
        return 0.5
    below = np.cumsum(inside) - inside / 2
    return float((below * outside).sum() / inside.sum() / outside.sum())


def _histogram(differences: Sequence[Colors], chosen: Sequence[Bools] | None = None) -> Counts:
    """Histogram (256,) of the differences, of the chosen pairs."""
    parts = differences if chosen is None else [each[here] for each, here in zip(differences, chosen, strict=True)]
    counts = [np.bincount(part.reshape(-1), minlength=_COLORS) for part in parts]
    return np.asarray(np.sum(counts, axis=0), dtype=np.int64)


def _as_depth(image: Colors, depth_m: npt.NDArray[np.float32]) -> int:
    """Number of pixels of an image (h, w, 3) that encode their depth (h, w) [m] as a DEPTH_CAM image does."""
    red, green, blue = (image[..., channel].astype(np.int64) for channel in range(3))
    read_m = (red + 256 * green + 65536 * blue) * (DEPTH_MAX_M / DEPTH_STEPS)
    return int(np.count_nonzero(np.abs(read_m - depth_m) < 1e-3))


def _color_sums(image: Colors, chosen: Bools) -> ColorSums:
    red, green, blue = image[chosen].sum(axis=0, dtype=np.int64).tolist()
    return ColorSums(red, green, blue, int(np.count_nonzero(chosen)))
