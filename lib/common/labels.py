"""AnoVox's class ids: names, palette, and which of them are anomalies, ignored or plain normality.

Source: AnoVox's label definitions (arXiv 2405.07865, Definitions of the generator), CARLA's tags below 29.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Label:
    """One class: its id, name and palette colour (RGB, 0 to 255)."""

    id: int
    name: str
    color: tuple[int, int, int]


LABELS: Final[tuple[Label, ...]] = (
    Label(0, "unlabeled", (0, 0, 0)),
    Label(1, "road", (128, 64, 128)),
    Label(2, "sidewalk", (244, 35, 232)),
    Label(3, "building", (70, 70, 70)),
    Label(4, "wall", (102, 102, 156)),
    Label(5, "fence", (190, 153, 153)),
    Label(6, "pole", (153, 153, 153)),
    Label(7, "traffic light", (250, 170, 30)),
    Label(8, "traffic sign", (220, 220, 0)),
    Label(9, "vegetation", (107, 142, 35)),
    Label(10, "terrain", (152, 251, 152)),
    Label(11, "sky", (70, 130, 180)),
    Label(12, "pedestrian", (220, 20, 60)),
    Label(13, "rider", (255, 0, 0)),
    Label(14, "car", (0, 0, 142)),
    Label(15, "truck", (0, 0, 70)),
    Label(16, "bus", (0, 60, 100)),
    Label(17, "train", (0, 80, 100)),
    Label(18, "motorcycle", (0, 0, 230)),
    Label(19, "bicycle", (119, 11, 32)),
    Label(20, "static", (110, 190, 160)),
    Label(21, "dynamic", (170, 120, 50)),
    Label(22, "other", (55, 90, 80)),
    Label(23, "water", (45, 60, 150)),
    Label(24, "road line", (157, 234, 50)),
    Label(25, "ground", (81, 0, 81)),
    Label(26, "bridge", (150, 100, 100)),
    Label(27, "rail track", (230, 150, 140)),
    Label(28, "guard rail", (180, 165, 180)),
    Label(29, "home", (245, 29, 0)),
    Label(30, "animal", (245, 30, 0)),
    Label(31, "nature", (245, 31, 0)),
    Label(32, "special", (245, 32, 0)),
    Label(33, "airplane", (245, 33, 0)),
    Label(34, "falling", (245, 34, 0)),
    Label(100, "anomaly", (245, 0, 0)),
    Label(112, "agent_pedestrian", (220, 20, 61)),
    Label(113, "agent_rider", (255, 0, 1)),
    Label(114, "agent_car", (3, 0, 143)),
    Label(115, "agent_truck", (0, 0, 71)),
    Label(116, "agent_bus", (0, 60, 101)),
    Label(118, "agent_motorcycle", (0, 0, 231)),
    Label(119, "agent_bicycle", (119, 11, 33)),
    Label(214, "ego_vehicle", (0, 0, 1)),
)

UNKNOWN: Final = 255
ROAD, SIDEWALK, BUILDING, WALL, FENCE, POLE, TRAFFIC_LIGHT, TRAFFIC_SIGN = range(1, 9)
VEGETATION, TERRAIN, SKY, PEDESTRIAN, RIDER, CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE = range(9, 20)
STATIC, DYNAMIC, OTHER, WATER, ROAD_LINE, GROUND, BRIDGE, RAIL_TRACK, GUARD_RAIL = range(20, 29)

AGENT_CAR: Final = 114
AGENT_IDS: Final = (112, 113, 114, 115, 116, 118, 119)
"""Of road users that are part of a scenario: in a dynamic drive, the vehicle ahead outside the labelled frames."""
BRAKING: Final = 100
"""The vehicle ahead, in the frames that AnoVox labels."""

NORMAL_IDS: Final = tuple(range(1, 29))
ANOMALY_IDS: Final = (29, 30, 31, 32, 33, 34, 100)
IGNORED_IDS: Final = (*AGENT_IDS, 214, UNKNOWN)
ANOMALY_SIZES: Final = ("Tiny", "Small", "Medium", "Big", "Huge")


def _lookup(ids: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    table = np.zeros(256, dtype=bool)
    table[list(ids)] = True
    table.setflags(write=False)
    return table


_IS_ANOMALY: Final = _lookup(ANOMALY_IDS)
_IS_IGNORED: Final = _lookup(IGNORED_IDS)
_IS_KNOWN: Final = _lookup((*tuple(label.id for label in LABELS), UNKNOWN))


def is_anomaly(class_ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Say which class ids (any shape, uint8) are anomalies."""
    return _IS_ANOMALY[class_ids]


def is_ignored(class_ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Say which class ids (any shape, uint8) evaluation leaves out: agents, the ego vehicle, unknown."""
    return _IS_IGNORED[class_ids]


def is_known(class_ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Say which class ids (any shape, uint8) AnoVox defines (255 included)."""
    return _IS_KNOWN[class_ids]


def class_counts(class_ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """How often each id occurs in class ids (any shape, uint8): (256,) int64; by runs of one id, which are long."""
    flat = class_ids.reshape(-1)
    ends = np.flatnonzero(np.append(flat[1:] != flat[:-1], flat.size > 0))
    return np.bincount(flat[ends], weights=np.diff(ends, prepend=-1), minlength=256).astype(np.int64)
