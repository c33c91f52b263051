"""What cameras and LiDARs deliver, in a few numbers, and how far other sensors' data lie from them.

Stored with the weights: a detector can be wrong in silence about data unlike those of its training.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import atan2, degrees
from typing import ClassVar, Final, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict

from lib.geometry.frame import Frame, Lidar
from lib.geometry.merged import split_clouds
from lib.sensors.scan_pattern import channel_elevations_deg, rays_per_turn

QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
MAX_FRAMES: Final = 200
MAX_POINTS: Final = 20_000
"""Of a cloud, spread evenly: enough for quantiles, and little memory for 200 clouds."""
DECIMALS: Final = 6
Quantiles = tuple[float, float, float, float, float]
_Floats = npt.NDArray[np.floating]
_T = TypeVar("_T")


@dataclass(frozen=True)
class SensorStatistics:
    """Measured on `frames` frames; `Quantiles` are those at QUANTILES.

    brightness and contrast: of the frames, mean and standard deviation of an image, black is 0 and white 1.
    intensity, range_m and height_m (z in the LiDAR's frame): of at most MAX_POINTS of each cloud. points: of the
    frames, number per cloud.
    Image size: the most common. Field of view of the camera, ring spacing, rays per turn: medians of the frames.
    Channels and elevations: of all LiDARs. azimuth_deg: how much of a turn is swept, without the largest gap; median.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    frames: int
    image_width_px: int
    image_height_px: int
    horizontal_fov_deg: float
    vertical_fov_deg: float
    brightness: Quantiles
    contrast: Quantiles
    channels: int
    upper_fov_deg: float
    lower_fov_deg: float
    ring_spacing_deg: float
    rays_per_turn: int
    azimuth_deg: float
    points: Quantiles
    intensity_min: float
    intensity_max: float
    intensity: Quantiles
    range_m: Quantiles
    height_m: Quantiles

    def differences(self, other: "SensorStatistics") -> list[str]:
        """Sentences on what in other data lies far from what was measured here, on the training data; empty if nothing.

        Where a sentence gives a range, nine tenths of the values lie in it, and the median stands before it.
        """
        checks = *_of_cameras(self, other), *_of_lidars(self, other)
        return [sentence for far, sentence in checks if far]


def measure(frames: Iterable[Frame]) -> SensorStatistics:
    """Measure frames (one at least), all of them and one at a time; `evenly_spread` chooses some of many."""
    sizes: Counter[tuple[int, int]] = Counter()
    of_frames: dict[str, list[float]] = defaultdict(list)
    of_points: dict[str, list[_Floats]] = defaultdict(list)
    lidars: set[Lidar] = set()
    for frame in frames:
        sizes[frame.camera.width_px, frame.camera.height_px] += 1
        lidars |= set(frame.lidars)
        poses = [(lidar.location, lidar.rotation) for lidar in frame.lidars]
        clouds = split_clouds(frame.points, frame.cloud_sizes, poses)
        for name, value in (_of_image(frame) | _of_cloud(clouds[0], frame.lidars[0])).items():
            of_frames[name].append(value)
        of_frames["points"].append(len(frame.points))
        for cloud in clouds:
            for name, values in _of_points(cloud).items():
                of_points[name].append(values)
    assert sizes, "nothing to measure"
    points = {name: np.concatenate(parts) for name, parts in of_points.items()}
    intensity = points["intensity"] if len(points["intensity"]) else np.zeros(1)
    (width_px, height_px), _ = sizes.most_common(1)[0]

    def median(name: str) -> float:
        return round(float(np.median(of_frames[name])), DECIMALS)

    return SensorStatistics(
        frames=sizes.total(),
        image_width_px=width_px,
        image_height_px=height_px,
        horizontal_fov_deg=median("horizontal_fov_deg"),
        vertical_fov_deg=median("vertical_fov_deg"),
        brightness=_quantiles(of_frames["brightness"]),
        contrast=_quantiles(of_frames["contrast"]),
        channels=max(lidar.channels for lidar in lidars),
        upper_fov_deg=max(lidar.upper_fov_deg for lidar in lidars),
        lower_fov_deg=min(lidar.lower_fov_deg for lidar in lidars),
        ring_spacing_deg=median("ring_spacing_deg"),
        rays_per_turn=round(median("rays_per_turn")),
        azimuth_deg=median("azimuth_deg"),
        points=_quantiles(of_frames["points"]),
        intensity_min=round(float(intensity.min()), DECIMALS),
        intensity_max=round(float(intensity.max()), DECIMALS),
        intensity=_quantiles(intensity),
        range_m=_quantiles(points["range_m"]),
        height_m=_quantiles(points["height_m"]),
    )


def evenly_spread(items: Sequence[_T], most: int = MAX_FRAMES) -> list[_T]:
    """Choose at most so many items, from the first to the last."""
    places = np.unique(np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int))
    return [items[place] for place in places.tolist()]


def _of_image(frame: Frame) -> dict[str, float]:
    gray = frame.image.mean(axis=2) / 255
    camera = frame.camera
    return {
        "brightness": float(gray.mean()),
        "contrast": float(gray.std()),
        "horizontal_fov_deg": _field_of_view_deg(camera.cx_px, camera.width_px, camera.fx_px),
        "vertical_fov_deg": _field_of_view_deg(camera.cy_px, camera.height_px, camera.fy_px),
    }


def _of_cloud(cloud: _Floats, lidar: Lidar) -> dict[str, float]:
    spacings_deg = -np.diff(channel_elevations_deg(lidar))
    azimuths_deg = np.sort(np.rad2deg(np.arctan2(cloud[:, 1], cloud[:, 0]).astype(np.float64)))
    gaps_deg = np.diff(azimuths_deg, append=azimuths_deg[:1] + 360)
    return {
        "ring_spacing_deg": float(np.median(spacings_deg)) if len(spacings_deg) else 0.0,
        "rays_per_turn": rays_per_turn(cloud, lidar),
        "azimuth_deg": 360 - float(gaps_deg.max()) if len(gaps_deg) else 0.0,
    }


def _of_points(cloud: _Floats) -> dict[str, _Floats]:
    chosen = cloud[np.linspace(0, len(cloud) - 1, min(MAX_POINTS, len(cloud))).round().astype(int)]
    return {"intensity": chosen[:, 3], "range_m": np.linalg.norm(chosen[:, :3], axis=1), "height_m": chosen[:, 2]}


def _field_of_view_deg(center_px: float, size_px: int, focal_px: float) -> float:
    return degrees(atan2(center_px, focal_px) + atan2(size_px - center_px, focal_px))


def _quantiles(values: _Floats | list[float]) -> Quantiles:
    """Quantiles of values (N,); zeros where there are none."""
    found = np.quantile(values, QUANTILES) if len(values) else np.zeros(len(QUANTILES))
    lowest, low, middle, high, highest = (round(value, DECIMALS) for value in found.tolist())
    return lowest, low, middle, high, highest


def _apart(here: float, there: float, factor: float) -> bool:
    return max(here, there) > factor * min(here, there)


def _of_cameras(here: SensorStatistics, there: SensorStatistics) -> list[tuple[bool, str]]:
    """Whether cameras differ in something, and the sentence for it."""
    density, other_density = (s.image_width_px / s.horizontal_fov_deg for s in (here, there))
    view, other_view = (f"{s.horizontal_fov_deg:.0f} x {s.vertical_fov_deg:.0f}" for s in (here, there))
    return [
        (
            _apart(density, other_density, 1.5),
            f"images have {other_density:.1f} pixels per degree; training had {density:.1f}",
        ),
        (
            _apart(here.horizontal_fov_deg, there.horizontal_fov_deg, 1.15)
            or _apart(here.vertical_fov_deg, there.vertical_fov_deg, 1.15),
            f"the camera sees {other_view} degrees; training saw {view}",
        ),
        (
            _beyond(here.brightness, there.brightness),
            _sentence("brightness of the images", here.brightness, there.brightness),
        ),
        (
            _beyond(here.contrast, there.contrast),
            _sentence("contrast of the images", here.contrast, there.contrast),
        ),
    ]


def _of_lidars(here: SensorStatistics, there: SensorStatistics) -> list[tuple[bool, str]]:
    """Whether LiDARs differ in something, and the sentence for it."""
    rings, other_rings = (f"{s.upper_fov_deg:.1f} to {s.lower_fov_deg:.1f}" for s in (here, there))
    upper_deg, lower_deg = here.upper_fov_deg - there.upper_fov_deg, here.lower_fov_deg - there.lower_fov_deg
    return [
        (
            _apart(here.channels, there.channels, 1.25),
            f"the LiDAR has {there.channels} channels; training had {here.channels}",
        ),
        (
            max(abs(upper_deg), abs(lower_deg)) > 0.1 * (here.upper_fov_deg - here.lower_fov_deg),
            f"the LiDAR looks from {other_rings} degrees of elevation; training from {rings}",
        ),
        (
            _apart(here.ring_spacing_deg, there.ring_spacing_deg, 1.5),
            f"rings are {there.ring_spacing_deg:.2f} degrees apart; training had {here.ring_spacing_deg:.2f}",
        ),
        (
            _apart(here.rays_per_turn, there.rays_per_turn, 1.5),
            f"the LiDAR has {there.rays_per_turn} rays per turn; training had {here.rays_per_turn}",
        ),
        (
            _apart(here.azimuth_deg, there.azimuth_deg, 1.15),
            f"the LiDAR sweeps {there.azimuth_deg:.0f} degrees; training swept {here.azimuth_deg:.0f}",
        ),
        (
            _apart(here.points[2], there.points[2], 2.0),
            f"clouds have {there.points[2]:.0f} points; training had {here.points[2]:.0f} (medians)",
        ),
        (
            there.intensity_max > 1.5 * here.intensity_max,
            f"intensity reaches {there.intensity_max:.3g}; in training it reached {here.intensity_max:.3g}",
        ),
        (
            there.intensity_min == there.intensity_max and here.intensity_min < here.intensity_max,
            f"intensity is {there.intensity_min:.3g} everywhere; in training it varied",
        ),
        (
            _disjoint(here.intensity, there.intensity),
            _sentence("intensity of the points", here.intensity, there.intensity),
        ),
        (
            _disjoint(here.range_m, there.range_m) or there.range_m[-1] > 1.5 * here.range_m[-1],
            _sentence("range of the points [m]", here.range_m, there.range_m),
        ),
        (
            _disjoint(here.height_m, there.height_m),
            _sentence("height of the points above the LiDAR [m]", here.height_m, there.height_m),
        ),
    ]


def _beyond(here: Quantiles, there: Quantiles) -> bool:
    """Whether the median of frames there lies well beyond nearly all frames here: there may be only one frame."""
    margin = (here[-1] - here[0]) / 4
    return not here[0] - margin <= there[2] <= here[-1] + margin


def _disjoint(here: Quantiles, there: Quantiles) -> bool:
    """Whether the middle halves of the points have no value in common."""
    return there[3] < here[1] or here[3] < there[1]


def _sentence(what: str, here: Quantiles, there: Quantiles) -> str:
    values, trained = (f"{q[2]:.3g} ({q[0]:.3g} to {q[-1]:.3g})" for q in (there, here))
    return f"{what}: {values}; training had {trained}"
