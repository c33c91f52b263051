"""The section `train` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lib.common.params import BatchSize, Count, Fraction, Section, Seed

# Nothing is learned where all frames are clean, and OneCycleLR cannot take all steps for the warm-up.
PartFraction = Annotated[float, Field(ge=0, le=0.9)]
Weight = Annotated[float, Field(ge=0, le=1_000)]
ObjectWeight = Annotated[float, Field(ge=0.001, le=1_000)]


class TrainParams(Section):
    """The training recipe."""

    seed: Seed
    epochs: Annotated[int, Field(ge=1, le=100_000)]
    batch_size: BatchSize
    micro_batch: BatchSize
    learning_rate: Annotated[float, Field(gt=0, le=100)]
    warm_up_fraction: PartFraction
    weight_decay: Annotated[float, Field(ge=0, le=100)]
    max_gradient_norm: Annotated[float, Field(gt=0, le=1_000_000)]
    precision: Literal["auto", "float32", "bfloat16"]
    pseudo_anomalies_per_frame: Annotated[int, Field(ge=1, le=16)]
    clean_fraction: PartFraction
    misfit_fraction: Fraction
    ground_negative_fraction: Fraction
    transplant_fraction: Fraction
    retimed_fraction: Fraction
    lost_lag_fraction: PartFraction
    fog_fraction: Fraction
    modality_dropout: Fraction
    anomaly_weight: Weight
    pseudo_anomaly_weight: Weight
    hard_negative_weight: Weight
    hard_negative_fraction: Fraction
    semantic_weight: Weight
    pixel_weight: Weight
    object_balance: Fraction
    object_reference_points: Count
    object_weight_range: Annotated[tuple[ObjectWeight, ObjectWeight], Field(strict=False)]

    @model_validator(mode="after")
    def _check(self) -> "TrainParams":
        low, high = self.object_weight_range
        if low > high:
            raise ValueError(
                f"train.object_weight_range is [{low}, {high}]; the first number must not exceed the second"
            )
        return self
