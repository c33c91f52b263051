"""What travels with an exported detector: all that scoring needs besides the weights, and where it comes from."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue, ValidationError

from lib.common.errors import DataError
from lib.export.score_levels import Level, ScoreLevel, Strict
from lib.inference.predict_params import PredictParams
from lib.model.weights_file import ModelContent, TrainedOn, not_ours, read_model, write_model

VERSION: Final = "0.1.0"
"""Of this package; pyproject.toml has the same."""


class ModelRecord(Strict):
    """Stored beside the weights by `export`.

    version: of this package. weights: fingerprint of models/weights.safetensors. predict: how scores are computed.
    outside_shift: added to the scores of points outside the image. frame, point, pixel: thresholds and probabilities.
    trained_on: data and sensors. params: sections of params.yaml. metrics: contents of metrics/*.json by the file's
    name. card: the model card, Markdown.
    """

    version: str
    weights: str
    predict: PredictParams
    outside_shift: float
    frame: ScoreLevel
    point: ScoreLevel
    pixel: ScoreLevel
    trained_on: TrainedOn
    params: dict[str, JsonValue]
    metrics: dict[str, JsonValue]
    card: str = ""

    @property
    def levels(self) -> dict[Level, ScoreLevel]:
        """`frame`, `point` and `pixel` by name."""
        return {"frame": self.frame, "point": self.point, "pixel": self.pixel}


def write_record(path: Path, content: ModelContent, record: ModelRecord) -> None:
    """Write a model file with a record; the weights stay as they are."""
    stored = record.model_dump(mode="json", exclude={"trained_on"})  # which the file holds already
    write_model(path, replace(content, trained_on=record.trained_on, record=stored))


def load_record(path: Path) -> ModelRecord:
    """Read the record of a model file.

    Raises DataError if the file is missing, damaged, not a detector, or holds weights only.
    """
    content = read_model(path)
    if content.record is None or content.trained_on is None:
        raise DataError(f"{path}: holds only weights; run `dvc repro export` and take models/detector.safetensors")
    stored: dict[str, Any] = {**content.record, "trained_on": asdict(content.trained_on)}
    try:
        return ModelRecord.model_validate_json(json.dumps(stored))
    except ValidationError as error:
        detail = error.errors()[0]
        place = ".".join(map(str, detail["loc"]))
        raise not_ours(path, f"its record: {place}: {detail['msg']}") from None
