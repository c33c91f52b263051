"""Detectors as model files, and back."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch
from pydantic import TypeAdapter, ValidationError

from lib.common.errors import DataError
from lib.common.ticks import HISTORY_TICKS, SINGLE_FRAME
from lib.model.detector import Detector, DetectorConfig, build_detector
from lib.model.weights_file import ModelContent, TrainedOn, not_ours, read_model, write_model

MAX_ROWS: Final = 4_096
MAX_CHANNELS: Final = 65_536
MAX_COLUMNS: Final = 65_536
_CONFIG: Final = TypeAdapter(DetectorConfig)


def save_detector(path: Path, detector: Detector, trained_on: TrainedOn | None = None) -> None:
    """Write the detector and what it was trained on, whole or not at all."""
    weights = {name: value.detach().cpu().numpy() for name, value in detector.state_dict().items()}
    write_model(path, ModelContent(_as_written(detector.config), weights, trained_on))


def load_detector(path: Path) -> Detector:
    """Read a detector onto the CPU, from the file of `train` or of `export`.

    Raises DataError if the file is missing, damaged or not a detector.
    """
    content = read_model(path)
    config = _config(path, content)
    with torch.device("meta"):  # allocates no memory, in case the configuration is damaged
        expected = {name: value.shape for name, value in build_detector(config).state_dict().items()}
    try:
        state = {name: torch.from_numpy(value) for name, value in content.weights.items()}
    except TypeError as error:
        raise not_ours(path, error) from None
    if expected != {name: value.shape for name, value in state.items()}:
        raise not_ours(path, "its weights are not those of its configuration")
    if not all(bool(value.isfinite().all()) for value in state.values()):
        raise DataError(f"{path}: holds weights that are NaN or infinite; train it anew (`dvc repro -f train`)")
    detector = build_detector(config)
    detector.load_state_dict(state)
    return detector


def scenarios_seen(path: Path) -> frozenset[str]:
    """Scenarios that were used for training or validation of a detector; raises DataError as `load_detector`."""
    trained_on = read_model(path).trained_on
    return frozenset(trained_on.scenarios if trained_on else ())


def check_unseen(path: Path, scenarios: Iterable[str]) -> None:
    """Raise DataError if a detector has seen one of these test scenarios."""
    seen = sorted(scenarios_seen(path) & set(scenarios))
    if seen:
        more = f" and {len(seen) - 1} more" if seen[1:] else ""
        raise DataError(
            f"{path}: was trained on {seen[0]}{more}, which the split now uses for testing, so that metrics would be "
            "too good; run `dvc repro train` with these params"
        )


def _as_written(config: DetectorConfig) -> dict[str, Any]:
    """A configuration as a file holds it: without the window of a detector that looks at single frames."""
    record = asdict(config) | {"window": list(config.window)}
    if config.window == SINGLE_FRAME:
        del record["window"]
    return record


def _config(path: Path, content: ModelContent) -> DetectorConfig:
    try:
        config = _CONFIG.validate_python(content.config)
    except ValidationError as error:
        raise not_ours(path, f"its configuration: {error.errors()[0]['msg']}") from None
    channels = config.image_channels, config.lidar_channels, config.fusion_channels
    fits = (
        _as_written(config) == content.config,
        config.window[:1] == SINGLE_FRAME and list(config.window) == sorted({*config.window}),
        max(config.window, default=0) <= HISTORY_TICKS,
        1 <= config.range_view_rows <= MAX_ROWS,
        1 <= config.range_view_columns <= MAX_COLUMNS,
        1 <= min(channels) <= max(channels) <= MAX_CHANNELS,
        -90 <= config.lower_fov_deg < config.upper_fov_deg <= 90,
    )
    if not all(fits):
        raise not_ours(path, "its configuration is impossible for a detector")
    return config
