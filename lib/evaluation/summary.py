"""metrics/summary.json: the dozen numbers by which runs are compared; `dvc metrics` shows these."""

from collections.abc import Mapping
from typing import Any, Final

HEADLINES: Final[Mapping[str, tuple[str, ...]]] = {
    "frame": ("auroc", "auroc_low", "auroc_high", "ap"),
    "point": ("auroc", "ap"),
    "point_all": ("ap",),
    "pixel": ("auroc", "ap"),
    "voxel": ("auroc", "ap"),
    "events": ("detection_rate",),
}


def summary_of(metrics: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Numbers of metrics/evaluate.json under the same keys, and `calibration.frame`: the frames' calibration error.

    What could not be computed is absent. No key is named `error`: DVC takes it for a failure to read the file.
    """
    summary = {
        block: {key: metrics[block][key] for key in keys if key in metrics[block]}
        for block, keys in HEADLINES.items()
        if block in metrics
    }
    if "frame" in metrics.get("calibration", {}):
        summary["calibration"] = {"frame": metrics["calibration"]["frame"]["test_error"]}
    return {block: numbers for block, numbers in summary.items() if numbers}
