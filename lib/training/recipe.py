"""What a training is given: the frames, and how to train on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from lib.loading.dataset import FrameRef
from lib.loading.shard_windows import ShardWindows
from lib.model.devices import Precision
from lib.shards.shard_reader import Shard
from lib.synthesis.pseudo_anomalies import Mix
from lib.training.train_params import TrainParams
from lib.views.range_view import RangeGrid


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Shards, the frames to train on, and the frames (of other scenarios) to validate on.

    windows: of each shard, for a detector that looks at a short past.
    """

    shards: Sequence[Shard]
    training: Sequence[FrameRef]
    validation: Sequence[FrameRef]
    windows: Sequence[ShardWindows] | None = None


@dataclass(frozen=True)
class Recipe:
    """How a detector is trained, fixed for all epochs.

    `objective`: to find anomalies, or only to tell the normal classes apart, from frames without pseudo-anomalies;
    both are validated on pseudo-anomalies. `compiled`: torch.compile fuses network, loss and their gradient.
    `fastest_mps`: no vehicle ahead is faster in its past.
    """

    params: TrainParams
    grid: RangeGrid
    device: torch.device
    precision: Precision
    objective: Literal["anomalies", "classes"] = "anomalies"
    compiled: bool = False
    fastest_mps: float = 0.0

    @property
    def mix(self) -> Mix:
        """How much is pasted, according to the params."""
        p = self.params
        return Mix(
            slots=p.pseudo_anomalies_per_frame,
            clean_fraction=p.clean_fraction,
            misfit_fraction=p.misfit_fraction,
            ground_negative_fraction=p.ground_negative_fraction,
            transplant_fraction=p.transplant_fraction,
            retimed_fraction=p.retimed_fraction,
            fastest_mps=self.fastest_mps,
            lost_lag_fraction=p.lost_lag_fraction,
        )
