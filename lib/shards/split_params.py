"""The section `split` of params.yaml."""

from typing import Literal

from pydantic import model_validator

from lib.common.params import Fraction, Section, Seed


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
