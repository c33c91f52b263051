"""Whether a camera's image shows what its labels say: edges where classes and depth change, plants redder than sky."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.frame import Frame
from lib.labels import SKY, TERRAIN, VEGETATION

ROWS: Final = 128
"""About as many rows of an image are looked at, evenly spread: enough, and of AnoVox's size a quarter."""
CONTROLS: Final = 4
"""How many other places outlines are looked for in, as a comparison: mirrored, and moved by a quarter, a half and three
quarters of the width.
"""
MIN_PIXELS: Final = 100
OUTLINE_M: Final = 0.5
OUTLINE_SHARE: Final = 0.1
_COLORS: Final = 256

Counts = npt.NDArray[np.int64]


def _no_steps() -> Counts:
    return np.zeros((1 + CONTROLS, 2, _COLORS), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class PictureCounts:
    """Counts over some images.

    `steps` (1 + CONTROLS, 2, 256): pairs of neighbouring pixels by their largest difference of a colour, first those
    within an object, then those across an outline; in row 0 with outlines where they are, else where they are not.
    `colors` (2, 4): of plants (vegetation, terrain) and of the sky the sums of red, green, blue, and the pixels.
    `brightness`: sum of the image's colours; `values`: how many.
    """

    steps: Counts
    colors: Counts
    brightness: int = 0
    values: int = 0

    @classmethod
    def none(cls) -> "PictureCounts":
        """Of no image."""
        return cls(_no_steps(), np.zeros((2, 4), dtype=np.int64))

    def __add__(self, other: "PictureCounts") -> "PictureCounts":
        return PictureCounts(
            self.steps + other.steps,
            self.colors + other.colors,
            self.brightness + other.brightness,
            self.values + other.values,
        )

    @property
    def edges(self) -> tuple[float, float] | None:
        """How well colour differences tell outlines from the rest, where they are and at best elsewhere.

        As AUROC: 0.5 is chance. None without outlines.
        """
        true, *elsewhere = (_auroc(inside, across) for inside, across in self.steps)
        found = [auroc for auroc in elsewhere if auroc is not None]
        return None if true is None or not found else (true, max(found))

    @property
    def looks_mirrored(self) -> bool:
        """Whether the edges of the image lie where outlines would be if it were mirrored, more than anywhere else."""
        aurocs = [_auroc(inside, across) for inside, across in self.steps]
        known = [auroc for auroc in aurocs if auroc is not None]
        return len(known) == len(aurocs) and max(known) == known[1]

    @property
    def strong_step(self) -> int:
        """The colour difference that one pair of pixels in a hundred exceeds; 0 in an image of one colour."""
        counts = np.cumsum(self.steps[0].sum(axis=0))
        return int(np.searchsorted(counts, 0.99 * counts[-1])) if counts[-1] else 0

    @property
    def mean_color(self) -> float:
        """Mean of the image's colours, 0 to 255."""
        return self.brightness / max(1, self.values)

    @property
    def redness(self) -> tuple[float, float] | None:
        """(red - blue) / mean colour, of plants and of the sky; None where an image lacks either."""
        if (self.colors[:, 3] < MIN_PIXELS).any():
            return None
        plants, sky = (
            (red - blue) / max(1.0, (red + green + blue) / 3) for red, green, blue, _ in self.colors.tolist()
        )
        return plants, sky


def picture_counts(frame: Frame) -> PictureCounts:
    """Count a frame's image, at the resolution it was recorded in."""
    step = max(1, len(frame.image) // ROWS)
    rows, above = slice(1, None, step), slice(None, -1, step)
    image = frame.image[rows]
    colors = np.stack([_color_sums(image, frame.pixel_class[rows], ids) for ids in ((VEGETATION, TERRAIN), (SKY,))])
    steps = _no_steps()
    later, earlier, all_ = slice(1, None), slice(None, -1), slice(None)
    for first, second in (((rows, later), (rows, earlier)), ((rows, all_), (above, all_))):
        difference, outline = _difference(frame.image[first], frame.image[second]), _outline(frame, first, second)
        steps[:, 0] += np.bincount(difference.reshape(-1), minlength=_COLORS)
        for number, place in enumerate(_places(outline)):
            across = np.bincount(difference[place], minlength=_COLORS)
            steps[number] += np.stack([-across, across])
    return PictureCounts(steps, colors, int(image.sum(dtype=np.int64)), image.size)


def _places(outline: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.bool_]]:
    """Outlines (h, w) where they are, and where they are not."""
    quarter = max(1, outline.shape[1] // 4)
    return [outline, outline[:, ::-1], *(np.roll(outline, quarter * number, axis=1) for number in range(1, CONTROLS))]


def _difference(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Largest difference of a colour between pixels (h, w, 3): (h, w)."""
    red, green, blue = (np.maximum(first, second) - np.minimum(first, second)).transpose(2, 0, 1)
    return np.asarray(np.maximum(np.maximum(red, green), blue))


def _outline(frame: Frame, first: tuple[slice, slice], second: tuple[slice, slice]) -> npt.NDArray[np.bool_]:
    """Where the class or the depth changes between pixels."""
    near_m, far_m = frame.depth_m[first], frame.depth_m[second]
    apart = np.abs(near_m - far_m) > OUTLINE_M + OUTLINE_SHARE * np.minimum(near_m, far_m)
    return np.asarray(apart | (frame.pixel_class[first] != frame.pixel_class[second]))


def _color_sums(image: npt.NDArray[np.uint8], class_ids: npt.NDArray[np.uint8], chosen: tuple[int, ...]) -> Counts:
    pixels = image[np.logical_or.reduce([class_ids == class_id for class_id in chosen])]
    return np.array([*pixels.sum(axis=0, dtype=np.int64), len(pixels)], dtype=np.int64)


def _auroc(inside: Counts, across: Counts) -> float | None:
    """Chance that a pair across an outline differs more than one inside of an object; ties count half."""
    if not inside.sum() or not across.sum():
        return None
    below = np.cumsum(inside) - inside / 2
    return float((below * across).sum() / inside.sum() / across.sum())
