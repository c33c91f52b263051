"""Typed, frozen parameters of every stage, read from params.yaml."""

import reprlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from lib.common.errors import ParamsError
from lib.common.plain_yaml import read_yaml
from lib.common.reading import UnfitFileError, read_text
from lib.common.terminal import readable

MAX_BYTES = 100_000
MAX_PATH_CHARACTERS = 1_000
MISTAKES_SHOWN = 6
TICKS_PER_SECOND = 10
"""At which AnoVox records."""

# Bounds are where a value stops to make sense: far beyond the data and machines that there are, and well before numbers
# overflow. What fits them, but not this machine's memory, ends in a sentence as well (lib.common.errors.run_stage).
Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Offset = Annotated[float, Field(ge=-10, le=10)]
Metres = Annotated[float, Field(ge=0.01, le=1_000)]
Range = Annotated[tuple[Metres, Metres], Field(strict=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
ImageSize = Annotated[int, Field(ge=16, le=4_096)]
Channels = Annotated[int, Field(ge=1, le=1_024)]
BatchSize = Annotated[int, Field(ge=1, le=4_096)]
Weight = Annotated[float, Field(ge=0, le=1_000)]
Score = Literal["anomaly_logit", "max_softmax", "max_logit", "energy", "rejected_by_all", "combined"]
FrameScore = Literal["points_or_pixels", "top_points", "pooled", "cluster"]


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys, no silent conversion."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataParams(Section):
    """Where the AnoVox data lies: a folder that holds Scenario_* folders at any depth."""

    root: Annotated[str, Field(min_length=1, max_length=MAX_PATH_CHARACTERS)]

    @field_validator("root")
    @classmethod
    def _check_root(cls, root: str) -> str:
        if not root.isprintable():
            raise ValueError("holds characters that cannot be printed; rename the folder, or link to it")
        return root


class SimulateParams(Section):
    """The built-in sample; docs/simulator.md describes the distributions."""

    seed: Seed
    sensor_set: Literal["mono", "stereo", "stereo_one_lidar", "multi", "surround"]
    normality_scenarios: Annotated[int, Field(ge=0, le=100_000)]
    anomaly_scenarios: Annotated[int, Field(ge=0, le=100_000)]
    frames_per_scenario: Annotated[int, Field(ge=1, le=10_000)]
    seconds_between_frames: Annotated[float, Field(ge=0.1, le=60)]
    image_height: ImageSize
    image_width: ImageSize
    camera_fov_deg: Annotated[float, Field(gt=10, lt=170)]
    lidar_channels: Annotated[int, Field(ge=4, le=256)]
    lidar_rays_per_channel: Annotated[int, Field(ge=32, le=8192)]
    lidar_range_m: Annotated[float, Field(ge=1, le=1_000)]
    lidar_noise_m: Annotated[float, Field(ge=0, le=10)]
    lidar_offset_m: Annotated[tuple[Offset, Offset, Offset], Field(strict=False)]
    lidar_time_offset_s: Annotated[float, Field(ge=-1, le=1)]
    calibration_jitter_deg: Annotated[float, Field(ge=0, le=30)]
    calibration_jitter_m: Annotated[float, Field(ge=0, le=5)]
    absent_fraction: Fraction
    anomaly_distance_m: Range
    anomaly_sizes_m: Annotated[dict[Literal["Tiny", "Small", "Medium", "Big", "Huge"], Range], Field(min_length=1)]
    night_fraction: Fraction
    fog_fraction: Fraction
    rain_fraction: Fraction

    @model_validator(mode="after")
    def _check(self) -> "SimulateParams":
        if self.normality_scenarios + self.anomaly_scenarios == 0:
            raise ValueError("simulate.normality_scenarios and anomaly_scenarios are both 0; make at least one")
        ticks = self.seconds_between_frames * TICKS_PER_SECOND
        if abs(ticks - round(ticks)) > 1e-6:
            raise ValueError(
                f"simulate.seconds_between_frames is {self.seconds_between_frames}, which is not a multiple of "
                f"{1 / TICKS_PER_SECOND} (AnoVox ticks at {TICKS_PER_SECOND} Hz)"
            )
        sizes = ((f"anomaly_sizes_m.{size}", reach) for size, reach in self.anomaly_sizes_m.items())
        named = [("anomaly_distance_m", self.anomaly_distance_m), *sizes]
        for name, (low, high) in named:
            if low > high:
                raise ValueError(f"simulate.{name} is [{low}, {high}]; the first number must not exceed the second")
        return self


class PreprocessParams(Section):
    """From AnoVox files to shards; null keeps what the data has."""

    sensors: Literal["forward", "all"]
    image_height: ImageSize | None
    image_width: ImageSize | None
    max_points: Annotated[int, Field(ge=1, le=10_000_000)] | None
    compression: Literal["none", "gzip", "lz4"]
    point_dtype: Literal["float32", "float16"]
    trust_labels: bool


class SplitParams(Section):
    """Which scenarios train, validate and test; always whole scenarios."""

    seed: Seed
    train_on: Literal["normality", "anomaly_free"]
    validation_fraction: Fraction
    test_fraction: Fraction

    @model_validator(mode="after")
    def _check(self) -> "SplitParams":
        if self.validation_fraction + self.test_fraction >= 1:
            raise ValueError(
                f"split.validation_fraction={self.validation_fraction} and split.test_fraction={self.test_fraction}: "
                "1 or more together leaves nothing to train on; lower one of them"
            )
        return self


class ArchitectureParams(Section):
    """What of the detector is fixed before it is trained."""

    fusion: Literal["image", "lidar", "concat", "cross_attention"]
    positional_encoding: Literal["none", "sine", "learned"]
    image_channels: Channels
    lidar_channels: Channels
    fusion_channels: Channels
    range_view_rows: Annotated[int, Field(ge=2, le=1_024)] | None
    range_view_columns: Annotated[int, Field(ge=16, le=16_384)] | None


class ModelParams(ArchitectureParams):
    """The detector. Training sees ArchitectureParams alone, so that another score needs no other training."""

    score: Score


class TrainParams(Section):
    """The training recipe."""

    seed: Seed
    epochs: Annotated[int, Field(ge=1, le=100_000)]
    batch_size: BatchSize
    learning_rate: Annotated[float, Field(gt=0, le=100)]
    weight_decay: Annotated[float, Field(ge=0, le=100)]
    precision: Literal["auto", "float32", "bfloat16"]
    pseudo_anomalies_per_frame: Annotated[int, Field(ge=1, le=16)]
    semantic_weight: Weight
    pixel_weight: Weight
    hard_negative_fraction: Fraction
    object_balance: Fraction
    modality_dropout: Fraction
    cpu_threads: Annotated[int, Field(ge=1, le=64)]

    @model_validator(mode="after")
    def _check(self) -> "TrainParams":
        if self.batch_size % self.cpu_threads:
            raise ValueError(
                f"train.cpu_threads is {self.cpu_threads}, which does not divide train.batch_size={self.batch_size}; "
                "each thread works on an equal part of a batch"
            )
        return self


class PredictParams(Section):
    """How the test scenarios are scored."""

    blackout: Literal["none", "image", "lidar"]
    without_image_weight: Fraction
    outside_false_alarms: Annotated[float, Field(gt=0, lt=1)] | None
    batch_size: BatchSize
    precision: Literal["auto", "float32", "bfloat16"]
    frame_score: FrameScore
    frame_top_points: Count
    frame_top_pixels: Count
    validation_frames: Annotated[int, Field(ge=1, le=10_000)]


class EvaluateParams(Section):
    """What counts as an anomalous frame, and how intervals are made."""

    seed: Seed
    min_anomaly_image_fraction: Fraction
    min_anomaly_points: Count
    bootstrap_resamples: Annotated[int, Field(ge=100, le=20_000)]
    voxel_score: Literal["centerpoint", "mean", "median"]


class PlotParams(Section):
    """The pictures."""

    gallery_frames: Annotated[int, Field(ge=1, le=100)]
    score_bins: Annotated[int, Field(ge=5, le=500)]
    dpi: Annotated[int, Field(ge=40, le=600)]


class ExecutionParams(Section):
    """What changes only speed; no stage tracks it. workers: 0 = one per core."""

    device: Literal["auto", "cpu", "cuda"]
    residence: Literal["auto", "stream", "memory", "device"]
    compile: Literal["auto", "off"]
    workers: Annotated[int, Field(ge=0, le=128)]
    checkpoint_seconds: Annotated[float, Field(ge=0, le=86_400)]


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


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check all parameters.

    Raises ParamsError that names the key, the value and what would be accepted.
    """
    try:
        values = read_yaml(read_text(path, MAX_BYTES))
    except ParamsError:
        raise
    except UnicodeError:
        raise ParamsError(f"{path}: not valid YAML: not text in UTF-8; save it as such") from None
    except UnfitFileError as error:
        raise ParamsError(f"{path}: cannot be read ({error.strerror}); put a file of parameters there") from None
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read ({error.strerror}); run from the repository's root") from None
    except ValueError as error:
        raise ParamsError(f"{path}: {readable(str(error))}") from None
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
    if detail["type"] == "value_error" and isinstance(detail["input"], dict):
        return f"{path}: {message}"
    return f"{path}: {key}: got {_shown(detail['input'])}, which {message}"


def _shown(value: Any) -> str:
    """A value for the eye; never all of a large one."""
    text = reprlib.repr(value)
    return text if len(text) <= 60 else f"a {type(value).__name__}"
