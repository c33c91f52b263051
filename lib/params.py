"""Typed, frozen parameters of every stage, read from params.yaml."""

import re
import reprlib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lib.errors import ParamsError
from lib.terminal import readable

MAX_BYTES = 100_000
MISTAKES_SHOWN = 6

Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Offset = Annotated[float, Field(ge=-10, le=10)]
Range = Annotated[tuple[PositiveFloat, PositiveFloat], Field(strict=False)]
Score = Literal["anomaly_logit", "max_softmax", "max_logit", "energy", "rejected_by_all", "combined"]
FrameScore = Literal["points_or_pixels", "top_points", "pooled", "cluster"]


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys, no silent conversion."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataParams(Section):
    """Where the AnoVox data lies: a folder that holds Scenario_* folders at any depth."""

    root: Annotated[str, Field(min_length=1)]


class SimulateParams(Section):
    """The built-in sample; docs/simulator.md describes the distributions."""

    seed: Seed
    sensor_set: Literal["mono", "stereo", "stereo_one_lidar", "multi", "surround"]
    normality_scenarios: Annotated[int, Field(ge=0)]
    anomaly_scenarios: Annotated[int, Field(ge=0)]
    frames_per_scenario: PositiveInt
    seconds_between_frames: PositiveFloat
    image_height: Annotated[int, Field(ge=16, le=4096)]
    image_width: Annotated[int, Field(ge=16, le=4096)]
    camera_fov_deg: Annotated[float, Field(gt=10, lt=170)]
    lidar_channels: Annotated[int, Field(ge=4, le=256)]
    lidar_rays_per_channel: Annotated[int, Field(ge=32, le=8192)]
    lidar_range_m: PositiveFloat
    lidar_noise_m: Annotated[float, Field(ge=0)]
    lidar_offset_m: Annotated[tuple[Offset, Offset, Offset], Field(strict=False)]
    lidar_time_offset_s: Annotated[float, Field(ge=-1, le=1)]
    calibration_jitter_deg: Annotated[float, Field(ge=0, le=30)]
    calibration_jitter_m: Annotated[float, Field(ge=0, le=5)]
    absent_fraction: Fraction
    anomaly_distance_m: Range
    anomaly_sizes_m: dict[Literal["Tiny", "Small", "Medium", "Big", "Huge"], Range]
    night_fraction: Fraction
    fog_fraction: Fraction
    rain_fraction: Fraction

    @model_validator(mode="after")
    def _check(self) -> "SimulateParams":
        if self.normality_scenarios + self.anomaly_scenarios == 0:
            raise ValueError("normality_scenarios and anomaly_scenarios are both 0; make at least one scenario")
        for name, (low, high) in [("anomaly_distance_m", self.anomaly_distance_m), *self.anomaly_sizes_m.items()]:
            if low > high:
                raise ValueError(f"{name} is [{low}, {high}]; the first number must not exceed the second")
        return self


class PreprocessParams(Section):
    """From AnoVox files to shards; null keeps what the data has."""

    sensors: Literal["forward", "all"]
    image_height: Annotated[int, Field(ge=16)] | None
    image_width: Annotated[int, Field(ge=16)] | None
    max_points: PositiveInt | None
    compression: Literal["none", "gzip", "lz4"]
    point_dtype: Literal["float32", "float16"]


class SplitParams(Section):
    """Which scenarios train, validate and test; always whole scenarios."""

    seed: Seed
    train_on: Literal["normality", "anomaly_free"]
    validation_fraction: Fraction
    test_fraction: Fraction


class ArchitectureParams(Section):
    """What of the detector is fixed before it is trained."""

    fusion: Literal["image", "lidar", "concat", "cross_attention"]
    positional_encoding: Literal["none", "sine", "learned"]
    image_channels: PositiveInt
    lidar_channels: PositiveInt
    fusion_channels: PositiveInt
    range_view_rows: PositiveInt | None
    range_view_columns: PositiveInt | None


class ModelParams(ArchitectureParams):
    """The detector. Training sees ArchitectureParams alone, so that another score needs no other training."""

    score: Score


class TrainParams(Section):
    """The training recipe."""

    seed: Seed
    epochs: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat
    weight_decay: Annotated[float, Field(ge=0)]
    precision: Literal["auto", "float32", "bfloat16"]
    pseudo_anomalies_per_frame: Annotated[int, Field(ge=1, le=16)]
    semantic_weight: Annotated[float, Field(ge=0)]
    pixel_weight: Annotated[float, Field(ge=0)]
    hard_negative_fraction: Fraction
    object_balance: Fraction
    modality_dropout: Fraction
    cpu_threads: PositiveInt


class PredictParams(Section):
    """How the test scenarios are scored."""

    blackout: Literal["none", "image", "lidar"]
    without_image_weight: Fraction
    outside_false_alarms: Annotated[float, Field(gt=0, lt=1)] | None
    batch_size: PositiveInt
    precision: Literal["auto", "float32", "bfloat16"]
    frame_score: FrameScore
    frame_top_points: PositiveInt
    frame_top_pixels: PositiveInt
    validation_frames: PositiveInt


class EvaluateParams(Section):
    """What counts as an anomalous frame, and how intervals are made."""

    seed: Seed
    min_anomaly_image_fraction: Fraction
    min_anomaly_points: PositiveInt
    bootstrap_resamples: Annotated[int, Field(ge=100)]
    voxel_score: Literal["centerpoint", "mean", "median"]


class PlotParams(Section):
    """The pictures."""

    gallery_frames: PositiveInt
    score_bins: Annotated[int, Field(ge=5, le=500)]
    dpi: Annotated[int, Field(ge=40, le=600)]


class ExecutionParams(Section):
    """What changes only speed; no stage tracks it. workers: 0 = one per core."""

    device: Literal["auto", "cpu", "cuda"]
    residence: Literal["auto", "stream", "memory", "device"]
    compile: Literal["auto", "off"]
    workers: Annotated[int, Field(ge=0)]
    checkpoint_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Params(Section):
    """All of params.yaml."""

    data: DataParams
    simulate: SimulateParams
    preprocess: PreprocessParams
    split: SplitParams
    model: ModelParams
    train: TrainParams
    predict: PredictParams
    evaluate: EvaluateParams
    plot: PlotParams
    execution: ExecutionParams


class _Loader(yaml.SafeLoader):
    """Safe YAML that reads 1e-05 as a number, as YAML 1.2 and DVC's own writer mean it."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+0123456789."),
)


# Whatever PyYAML raises over a damaged file.
_DAMAGE = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check all parameters.

    Raises ParamsError that names the key, the value and what would be accepted.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ParamsError(f"{path}: larger than {MAX_BYTES // 1000} kB, which no file of parameters is")
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except ParamsError:
        raise
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read ({error.strerror}); run from the repository's root") from None
    except _DAMAGE as error:
        raise ParamsError(f"{path}: not valid YAML: {' '.join(str(error).split())[:500]}") from None
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        details = error.errors()
        sentences = [_sentence(path, values, detail) for detail in details[:MISTAKES_SHOWN]]
        more = len(details) - len(sentences)
        raise ParamsError("; ".join([*sentences, *([f"and {more} more mistakes"] if more else [])])) from None


def _sentence(path: Path, values: Any, detail: Any) -> str:
    key = ".".join(readable(str(part)[:60]) for part in detail["loc"]) or "the file"
    if detail["type"] == "extra_forbidden":
        section: Any = Params
        for part in detail["loc"][:-1]:
            section = section.model_fields[part].annotation
        accepted = ", ".join(section.model_fields)
        return f"{path}: {key}: unknown key; accepted here: {accepted}"
    if detail["type"] == "missing":
        return f"{path}: {key}: missing; add it (the repository's own params.yaml shows a value)"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{path}: {key}: got {_shown(detail['input'])}, which {message}"


def _shown(value: Any) -> str:
    """A value for the eye; never all of a large one, which in YAML a few aliases can make endless."""
    try:
        text = reprlib.repr(value)
    except ValueError:  # an integer of too many digits
        text = ""
    return text if 0 < len(text) <= 60 else f"a {type(value).__name__}"
