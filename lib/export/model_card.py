"""The model card: what a stranger should know of an exported detector, in Markdown."""

import json
from collections.abc import Mapping
from typing import Any, Final

from lib.common.terminal import readable
from lib.common.ticks import TICKS_PER_SECOND
from lib.export.model_record import ModelRecord
from lib.export.score_levels import ScoreLevel
from lib.sensors.sensor_statistics import Quantiles, SensorStatistics

LEVELS: Final = {
    "frame": "frames",
    "point": "LiDAR points in the camera's view",
    "point_all": "all LiDAR points",
    "pixel": "pixels",
    "voxel": "voxels in the camera's view",
}
OF_THE_DETECTOR: Final = ("preprocess", "split", "model", "train")
"""Sections of params.yaml that the weights depend on."""

INTRODUCTION: Final = """\
# Model card: camera + LiDAR anomaly detector

This network gives every LiDAR point and every pixel of a camera image a score: how much does it look like something
that is not part of normal traffic? A frame (one image and one point cloud) gets a score, too. Scores are raw logits;
higher means more anomalous. The network learned from normal traffic with artificial objects pasted into it. It has seen
no anomaly of the test."""

USE: Final = """\
## Use
In the repository that wrote this file, `python -m tools.detect FOLDER --output DIR` scores recordings of AnoVox, KITTI
or plain folders (docs/detect.md). From Python:
```python
import anovox_fusion
detector = anovox_fusion.load("models/detector.safetensors")
detections = detector.detect(image, points, calibration)  # .frame_score, .point_scores (N,), .pixel_scores (H, W)
detections.save_picture("detections.png")
```
`detector.record` holds everything on this page."""

LIMITS: Final = """\
## Limits
- **Data.** AnoVox and the built-in sample are simulations (of CARLA, of this project). A detector trained on them has
  not been tested on real sensors. Expect more false alarms there, and choose thresholds on normal frames of your own.
- **Sensors.** Training saw the sensors above only. Images and range views of others are scaled to look alike; what
  still differs changes the scores. `tools.detect` names the differences.
- **Objects.** Objects much smaller, farther away or of other kinds than those of the test have not been measured.
  {behaviour}
- **View.** Training covers what the camera sees. Points elsewhere are judged by the LiDAR alone, less reliably.
- **Time.** {time}
- **Safety.** This is a research model. Do not rely on it in a vehicle."""

EACH_BY_ITSELF: Final = {
    "behaviour": "An unusual behaviour of a normal object is not an anomaly here.",
    "time": "Each frame is judged by itself.",
}
WITH_PAST: Final = {
    "behaviour": "Of unusual behaviour it has learned one kind: the vehicle ahead brakes fully.",
    "time": "Frames at another rate, or without poses, are judged by themselves: braking is not found in them.",
}


def model_card(record: ModelRecord) -> str:
    """Describe a detector from its record; same record, same text."""
    lags = _lags(record)
    limits = LIMITS.format(**(WITH_PAST if lags else EACH_BY_ITSELF))
    use = (USE, _past(lags)) if lags else (USE,)
    sections = (
        *(INTRODUCTION, *use, _training_data(record), _results(record), _scores(record), limits),
        *(_params(record), _origin(record)),
    )
    return "\n\n".join(sections) + "\n"


def _lags(record: ModelRecord) -> list[int]:
    """The lags [ticks of 0.1 s] of the earlier frames that the detector looks at."""
    window = _block(record.params, "model").get("window")
    return [lag for lag in window if lag] if isinstance(window, list) else []


def _past(lags: list[int]) -> str:
    ago = [f"{lag / TICKS_PER_SECOND:g}" for lag in lags]
    named = f"{', '.join(ago[:-1])} and {ago[-1]}" if ago[1:] else ago[0]
    return f"""\
### The past
The detector also looks {named} s back, and follows the vehicle ahead over the last second. That needs
frames in the order of time at {TICKS_PER_SECOND} Hz, each with the vehicle's pose in a frame that stands still,
such as odometry's. A frame for which these are missing is scored as without a past.
```python
stream = detector.stream()  # one for each drive
detections = stream.detect(image, points, calibration, time_s, world_SE3_ego)
```"""


def _training_data(record: ModelRecord) -> str:
    data, train, sensors = _block(record.metrics, "data"), _block(record.metrics, "train"), record.trained_on.sensors
    scenarios, frames = _block(data, "scenarios"), _count(_block(data, "frames").get("total"))
    kinds = ", ".join(f"{count} {kind}" for kind, count in scenarios.items() if count)
    training, validation = (_count(train.get(f"{split}_frames")) for split in ("training", "validation"))
    lines = [
        "## Training data",
        "| | |",
        "|---|---|",
        f"| all data | {sum(scenarios.values())} scenarios ({kinds}), {frames} frames |",
        f"| used in training | {len(record.trained_on.scenarios)} scenarios: {training} frames to learn from, "
        f"{validation} to validate on |",
        *(f"| {name} | {value} |" for name, value in _sensors(sensors).items()),
        "",
        f"Sensors are measured on {sensors.frames} training frames; 90 % of the values lie in the brackets.",
    ]
    return "\n".join(lines)


def _sensors(s: SensorStatistics) -> dict[str, str]:
    return {
        "camera": f"{s.image_width_px} x {s.image_height_px} pixels, "
        f"{s.horizontal_fov_deg:.1f} x {s.vertical_fov_deg:.1f} degrees",
        "brightness of an image, 0 to 1": _spread(s.brightness),
        "contrast of an image (standard deviation)": _spread(s.contrast),
        "LiDAR": f"{s.channels} channels from {s.upper_fov_deg:.1f} to {s.lower_fov_deg:.1f} degrees, "
        f"{s.ring_spacing_deg:.2f} degrees apart; {s.rays_per_turn} rays per turn; {s.azimuth_deg:.0f} degrees swept",
        "points per cloud": _spread(s.points, ",.0f"),
        "intensity": f"{_spread(s.intensity)}; all from {s.intensity_min:.3g} to {s.intensity_max:.3g}",
        "range of a point [m]": _spread(s.range_m),
        "height above the LiDAR [m]": _spread(s.height_m),
    }


def _results(record: ModelRecord) -> str:
    metrics = _block(record.metrics, "evaluate")
    frames, scenarios = _block(metrics, "frames"), _block(metrics, "scenarios")
    rows = [
        f"| {items} | {_with_interval(block, 'auroc')} | {_with_interval(block, 'ap')} | {block['fpr95']:.3f} "
        f"| {block['positives']:,} | {block['negatives']:,} |"
        for level, items in LEVELS.items()
        if (block := _block(metrics, level))
    ]
    lines = [
        "## Results",
        f"On {sum(scenarios.values())} test scenarios that training has not seen, {frames.get('total', 0)} frames. In",
        "brackets: 95 % interval over scenarios.",
        "",
        "| one item is one of | AUROC | average precision | false positives at 95 % recall | anomalous | normal |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        "A frame is anomalous if a sensor shows enough of an anomaly;",
        f"{frames.get('left_out', 0)} frames that show less are left out of the first row (docs/metrics.md).",
    ]
    return "\n".join(lines)


def _scores(record: ModelRecord) -> str:
    levels = record.levels
    rates = sorted({t.false_alarm_rate for level in levels.values() for t in level.thresholds}, reverse=True)
    lines = ["## Reading the scores"]
    if rates:
        items = ", ".join(
            f"{level.normal_items:,} {what}"
            for level, what in zip(levels.values(), ("frames", "points in view", "pixels"), strict=True)
        )
        lines += [
            "An alarm is a score at or above a threshold. These thresholds give at most so many false alarms on",
            f"validation scenarios without anomalies ({items};",
            "the points of one frame are not independent, nor are its pixels).",
            "",
            "| false alarms | frame score | point score | pixel score |",
            "|---|---|---|---|",
            *(f"| {r:.1%} | {' | '.join(_threshold(level, r) for level in levels.values())} |" for r in rates),
            "",
        ]
    fits = [
        f"{name}s sigmoid({level.probability.slope:.3f} x score {level.probability.intercept:+.3f})"
        for name, level in levels.items()
        if level.probability
    ]
    if fits:
        lines += [
            f"Probability of an anomaly: {', '.join(fits)}. It holds where anomalies",
            "are as common as the artificial ones among the validation frames.",
        ]
    lines.append(f"Scores of points outside the image are shifted by {record.outside_shift:+.3f}.")
    return "\n".join(lines)


def _params(record: ModelRecord) -> str:
    sections: dict[str, Any] = {**{name: _block(record.params, name) for name in OF_THE_DETECTOR}}
    sections["predict"] = record.predict.model_dump(mode="json")
    lines = [f"- `{name}`: {_settings(section)}" for name, section in sections.items()]
    return "\n".join(["## Parameters", *lines])


def _origin(record: ModelRecord) -> str:
    parameters = _count(_block(record.metrics, "train").get("parameters"))
    return (
        "## Origin\n"
        f"anovox-fusion {record.version}, trained with torch {record.trained_on.torch}; {parameters} parameters. "
        f"Weights `{record.weights}`, shards `{record.trained_on.shards}`. Licence of the code: Apache-2.0."
    )


def _settings(section: Mapping[str, Any]) -> str:
    """Names and values as in params.yaml, in one line."""
    values = {key: value if isinstance(value, str) else json.dumps(value) for key, value in section.items()}
    return readable(", ".join(f"{key} {value}" for key, value in values.items()))


def _threshold(level: ScoreLevel, rate: float) -> str:
    found = [t.score for t in level.thresholds if t.false_alarm_rate == rate]
    return f"{found[0]:.3f}" if found else "too few to tell"


def _with_interval(block: Mapping[str, Any], name: str) -> str:
    return f"{block[name]:.3f} [{block[f'{name}_low']:.3f}, {block[f'{name}_high']:.3f}]"


def _spread(values: Quantiles, form: str = ".3g") -> str:
    return f"median {values[2]:{form}} [{values[0]:{form}}, {values[-1]:{form}}]"


def _count(number: Any) -> str:
    return f"{number:,}" if isinstance(number, int) else "?"


def _block(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A nested block; empty where it is absent."""
    found = values.get(name)
    return found if isinstance(found, dict) else {}
