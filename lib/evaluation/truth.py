"""What the camera's view really holds in a frame: whether it counts as anomalous, and which groups it belongs to."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from lib.common.labels import ANOMALY_SIZES, LABELS, is_anomaly
from lib.evaluation.evaluate_params import EvaluateParams
from lib.geometry.camera import Camera
from lib.geometry.frame import Anomaly

State = Literal["positive", "left_out", "negative"]
_NAMES: Final = {label.id: label.name for label in LABELS}
_DISTANCES_M: Final = (0.0, 8.0, 14.0, 20.0, 40.0)
_IMAGE_PERCENTS: Final = (0.0, 0.12, 0.25, 0.5, 1.25)


def _band_names(edges: tuple[float, ...], unit: str) -> tuple[str, ...]:
    inner = tuple(f"{low:g}-{high:g} {unit}" for low, high in pairwise(edges))
    return (*inner, f"{edges[-1]:g}+ {unit}")


GROUP_ORDER: Final[dict[str, tuple[str, ...]]] = {
    "distance": _band_names(_DISTANCES_M, "m"),
    "kind": ("geometry", "appearance", "both"),
    "size": ANOMALY_SIZES,
    "class": tuple(_NAMES.values()),
    "weather": ("clear", "rain", "fog"),
    "light": ("day", "night"),
    "visible image share": _band_names(_IMAGE_PERCENTS, "%"),
}


@dataclass(frozen=True)
class FrameTruth:
    """The anomaly as the sensors see it in the camera's view.

    distance_m: median range of its points in view, else of its pixels by depth; None where no sensor sees it.
    class_name: that of most of its pixels and points in view; anywhere: a sensor sees it, if only outside the view.
    """

    pixels: int
    image_fraction: float
    points: int
    distance_m: float | None
    class_name: str | None
    anywhere: bool

    def state(self, params: EvaluateParams) -> State:
        """Positive with enough pixels or points in view, negative with none at all, else left out of `frame`."""
        if self.pixels == 0 and self.points == 0:
            return "negative"
        enough = self.image_fraction >= params.min_anomaly_image_fraction or self.points >= params.min_anomaly_points
        return "positive" if enough else "left_out"


def frame_truth(
    points_m: npt.NDArray[np.floating],
    point_class: npt.NDArray[np.uint8],
    in_view: npt.NDArray[np.bool_],
    pixel_class: npt.NDArray[np.uint8],
    depth_m: npt.NDArray[np.floating],
    camera: Camera,
) -> FrameTruth:
    """Truth of one frame: points (N, 3 or more) [m], their classes and whether the camera's view holds them (N,);
    pixel classes and planar depth [m] (H, W).
    """
    pixels = is_anomaly(pixel_class)
    anomalous = is_anomaly(point_class)
    points = anomalous & in_view
    classes = np.concatenate([pixel_class[pixels], point_class[points]])
    return FrameTruth(
        pixels=int(pixels.sum()),
        image_fraction=float(pixels.mean()),
        points=int(points.sum()),
        distance_m=_distance_m(points_m[points, :3], pixels, depth_m, camera),
        class_name=_NAMES[int(np.bincount(classes).argmax())] if len(classes) else None,
        anywhere=bool(pixels.any() or anomalous.any()),
    )


def groups(truth: FrameTruth, anomaly: Anomaly | None, weather: str) -> dict[str, str]:
    """The breakdown's group -> value of an anomalous frame; what is not known is absent."""
    known = {
        "distance": None if truth.distance_m is None else _band("distance", _DISTANCES_M, truth.distance_m),
        "kind": anomaly.kind if anomaly else None,
        "size": anomaly.size.capitalize() if anomaly and anomaly.size else None,
        "class": truth.class_name,
        "weather": weather_group(weather) if weather else None,
        "light": light_group(weather) if weather else None,
        "visible image share": _band("visible image share", _IMAGE_PERCENTS, 100.0 * truth.image_fraction),
    }
    return {group: value for group, value in known.items() if value is not None}


def weather_group(preset: str) -> str:
    """fog, rain or clear of an AnoVox weather preset such as SOFT_RAIN_SUNSET; the first that applies."""
    name = preset.upper()
    if "FOG" in name or "DUST" in name:
        return "fog"
    return "rain" if "RAIN" in name else "clear"


def light_group(preset: str) -> str:
    """Night or day of an AnoVox weather preset."""
    return "night" if "NIGHT" in preset.upper() else "day"


def _distance_m(
    points_m: npt.NDArray[np.floating], pixels: npt.NDArray[np.bool_], depth_m: npt.NDArray[np.floating], camera: Camera
) -> float | None:
    if len(points_m):
        return float(np.median(np.linalg.norm(points_m.astype(np.float64), axis=1)))
    if pixels.any():
        return float(np.median(np.linalg.norm(camera.unproject(depth_m)[pixels], axis=1)))
    return None


def _band(group: str, edges: tuple[float, ...], value: float) -> str:
    """The band [edge, next edge) that holds a value of at least the first edge."""
    return GROUP_ORDER[group][int(np.searchsorted(edges, value, side="right")) - 1]
