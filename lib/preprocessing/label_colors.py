"""Colours of the classes on the label sheets.

In AnoVox's palette (lib.common.labels), cars, trucks, buses and motorcycles are nearly one dark blue.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_rgb

from lib.common.labels import ANOMALY_IDS, UNKNOWN

ANOMALY_COLOR: Final = "#ff1f1f"
OTHER_ID_COLOR: Final = "#5f5f5f"
"""Colour of ids that have no class."""

# Saturated: what moves, or directs traffic. Muted: surroundings. Pale: AnoVox's agents, each in the hue of its class.
CLASS_COLORS: Final[dict[int, str]] = {
    0: "#5f5f5f",  # unlabeled
    1: "#85789a",  # road
    2: "#dcb4dc",  # sidewalk
    3: "#919191",  # building
    4: "#6e96be",  # wall
    5: "#cda58c",  # fence
    6: "#c8c8c8",  # pole
    7: "#ffc800",  # traffic light
    8: "#fff096",  # traffic sign
    9: "#5f8c32",  # vegetation
    10: "#a0d78c",  # terrain
    11: "#8cd2ff",  # sky
    12: "#ff50b4",  # pedestrian
    13: "#b45aff",  # rider
    14: "#2f7bff",  # car
    15: "#ff8c1a",  # truck
    16: "#00d5c8",  # bus
    17: "#967800",  # train
    18: "#c6ff3c",  # motorcycle
    19: "#00c83c",  # bicycle
    20: "#6eaaa0",  # static
    21: "#be8246",  # dynamic
    22: "#2f7864",  # other
    23: "#0082a0",  # water
    24: "#ffffff",  # road line
    25: "#964f90",  # ground
    26: "#96605a",  # bridge
    27: "#ffa08c",  # rail track
    28: "#a096dc",  # guard rail
    112: "#ffa8da",  # agent_pedestrian
    113: "#daacff",  # agent_rider
    114: "#97bdff",  # agent_car
    115: "#ffc68c",  # agent_truck
    116: "#80eae4",  # agent_bus
    118: "#e2ff9e",  # agent_motorcycle
    119: "#80e49e",  # agent_bicycle
    214: "#506496",  # ego_vehicle
    UNKNOWN: "#968c5a",
    **dict.fromkeys(ANOMALY_IDS, ANOMALY_COLOR),
}


def class_colors() -> npt.NDArray[np.float64]:
    """Colours of all class ids: (256, 3) RGB, 0 to 1."""
    return np.array([to_rgb(CLASS_COLORS.get(class_id, OTHER_ID_COLOR)) for class_id in range(256)])
