"""Put all that a detector needs into one file, and describe it: models/detector.safetensors and its model card."""

from pydantic import JsonValue

from lib.common.errors import DataError, run_stage
from lib.common.outputs import exclusive_lock, write_text
from lib.common.params import Sections, load_params
from lib.common.paths import (
    DATA_METRICS,
    EVALUATE_METRICS,
    LABEL_METRICS,
    MODEL,
    MODEL_CARD,
    TRAIN_METRICS,
    VALIDATION_SCORES,
    WEIGHTS,
)
from lib.evaluation.metrics_files import read_metrics
from lib.export.model_card import model_card
from lib.export.model_record import VERSION, ModelRecord, write_record
from lib.export.score_levels import score_levels
from lib.inference.predict_params import PredictParams
from lib.model.weights_file import ModelContent, model_fingerprint, read_model
from lib.shards.validation_scores import read_validation

AnySection = dict[str, JsonValue]


class Params(Sections):
    """Sections of params.yaml that the stage reads: `predict` to use it, the others to copy them."""

    simulate: AnySection
    preprocess: AnySection
    split: AnySection
    track: AnySection
    model: AnySection
    train: AnySection
    predict: PredictParams
    evaluate: AnySection


def main() -> None:
    """Run the stage."""
    params = load_params(Params)
    content = read_model(WEIGHTS)
    record = _record(content, params)
    record = record.model_copy(update={"card": model_card(record)})
    with exclusive_lock(MODEL.parent):
        write_record(MODEL, content, record)
        write_text(MODEL_CARD, record.card)


def _record(content: ModelContent, params: Params) -> ModelRecord:
    """Raise DataError if the weights, the validation scores and the metrics are not of one run."""
    validation, weights = read_validation(VALIDATION_SCORES), model_fingerprint(WEIGHTS)
    files = EVALUATE_METRICS, TRAIN_METRICS, DATA_METRICS, LABEL_METRICS
    metrics = {path.stem: read_metrics(path) for path in files}
    if content.trained_on is None:
        raise DataError(f"{WEIGHTS}: does not say what it was trained on; run `dvc repro train`")
    if validation.model_fingerprint != weights:
        raise DataError(f"{VALIDATION_SCORES}: is of another model than {WEIGHTS}; run `dvc repro predict`")
    if metrics["evaluate"].get("outside_shift") != round(validation.outside_shift, 9):
        raise DataError(f"{EVALUATE_METRICS}: is of other scores than {VALIDATION_SCORES}; run `dvc repro evaluate`")
    levels = score_levels(validation, metrics["evaluate"])
    with_past = "window" in content.config  # Only then is the vehicle ahead followed for the detector.
    return ModelRecord(
        version=VERSION,
        weights=weights,
        predict=params.predict,
        outside_shift=validation.outside_shift,
        frame=levels["frame"],
        point=levels["point"],
        pixel=levels["pixel"],
        trained_on=content.trained_on,
        params={
            "simulate": params.simulate,
            "preprocess": params.preprocess,
            "split": params.split,
            **({"track": params.track} if with_past else {}),
            "model": params.model,
            "train": params.train,
            "evaluate": params.evaluate,
        },
        metrics={**metrics},
    )


if __name__ == "__main__":
    run_stage(main)
