"""Guards against labels that make all metrics meaningless: constant, or copied from the folder's name.

Each guard stops preprocessing; docs/guards.md lists them all.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.errors import DataError
from lib.common.labels import LABELS, UNKNOWN, is_anomaly
from lib.geometry.frame import ScenarioType
from lib.preprocessing.statistics import Statistics

MAX_ANOMALY_FRACTION: Final = 0.5
"""No object covers half of a LiDAR's points or a camera's pixels throughout a scenario."""
_ANOMALOUS: Final = is_anomaly(np.arange(256, dtype=np.uint8))
_NAMES: Final = {label.id: label.name for label in LABELS}


def check_labels(by_scenario: Mapping[str, Statistics], types: Mapping[str, ScenarioType]) -> None:
    """Raise DataError if the labels of a data set cannot be right; `types`: type of each scenario."""
    total = sum(by_scenario.values(), Statistics())
    _check_several_classes("points", "SEMANTIC-LIDAR or VOXEL_GRID", total.point_classes)
    _check_several_classes("pixels", "SEMANTIC-CAM", total.pixel_classes)
    _check_not_from_name(by_scenario, types)


def type_sentences(by_scenario: Mapping[str, Statistics], types: Mapping[str, ScenarioType]) -> list[str]:
    """Log messages if the scenario's type determines the labels of all its frames."""
    other = [s for name, s in by_scenario.items() if types[name] is not ScenarioType.NORMALITY]
    if not other or len(other) == len(by_scenario) or any(s.frames_with_anomaly < s.frames for s in other):
        return []
    return [
        f"labels: each frame of the {len(other)} anomaly scenarios shows an anomaly and no other frame does: whatever "
        "tells the scenarios apart (town, weather) also tells the frames apart; do not rely on frame AUROC only"
    ]


def _check_several_classes(what: str, source: str, counts: npt.NDArray[np.int64]) -> None:
    known = [str(_NAMES.get(class_id, class_id)) for class_id in np.flatnonzero(counts).tolist() if class_id != UNKNOWN]
    if len(known) > 1 or not counts.any():
        return
    found = f"all labelled {what} are {known[0]!r}" if known else f"none of the {what} has a label"
    raise DataError(
        f"labels: {found}, in every frame of data.root: such labels are useless for training and testing; check "
        f"{source} (python -m tools.check has details)"
    )


def _check_not_from_name(by_scenario: Mapping[str, Statistics], types: Mapping[str, ScenarioType]) -> None:
    """Raise DataError for scenarios that are one anomaly everywhere: labelled by the folder's name, not by sensors."""
    counts = {name: (s.point_classes, s.pixel_classes) for name, s in by_scenario.items()}
    fractions = {name: max(map(_anomaly_fraction, both)) for name, both in counts.items()}
    wrong = [name for name, fraction in sorted(fractions.items()) if fraction > MAX_ANOMALY_FRACTION]
    if wrong:
        every = {name for name in fractions if types[name] is not ScenarioType.NORMALITY} <= set(wrong)
        what = "as is every anomaly scenario" if every else f"one of {len(wrong)} such scenarios"
        raise DataError(
            f"labels: {wrong[0]} is labelled as an anomaly nearly everywhere ({fractions[wrong[0]]:.0%}), {what}: "
            "this is the folder's name, no sensor's labels; take SEMANTIC-LIDAR and SEMANTIC-CAM from the archive again"
        )


def _anomaly_fraction(counts: npt.NDArray[np.int64]) -> float:
    known = int(counts.sum() - counts[UNKNOWN])
    return int(counts[_ANOMALOUS].sum()) / known if known else 0.0
