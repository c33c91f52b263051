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
BRAKING_HEADLINES: Final = (
    ("detector", ("onset", "auroc")),
    ("detector", ("label_held", "auroc")),
    ("detector", ("detected_within_1_s",)),
    ("tracker", ("onset", "auroc")),
)


def summary_of(metrics: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Numbers of metrics/evaluate.json under the same keys; `calibration.frame`: the frames' calibration error; and of
    `braking` four numbers, their keys joined: `braking.tracker_onset_auroc`.

    What could not be computed is absent. No key is named `error`: DVC takes it for a failure to read the file.
    """
    summary = {
        block: {key: metrics[block][key] for key in keys if key in metrics[block]}
        for block, keys in HEADLINES.items()
        if block in metrics
    }
    if "frame" in metrics.get("calibration", {}):
        summary["calibration"] = {"frame": metrics["calibration"]["frame"]["test_error"]}
    if braking := metrics.get("braking"):
        summary["braking"] = {
            f"{method}_{'_'.join(path)}": number
            for method, path in BRAKING_HEADLINES
            if (number := _found(braking.get(method, {}), path)) is not None
        }
    return {block: numbers for block, numbers in summary.items() if numbers}


def _found(block: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    for key in path:
        if key not in block:
            return None
        block = block[key]
    return block
