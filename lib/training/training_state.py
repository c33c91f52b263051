"""All that changes in a training from step to step: what an interrupted one needs to go on to the same end."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from lib.model.detector import Detector
from lib.training.validation import ValidationResult


@dataclass(frozen=True)
class EpochRecord:
    """One row of plots/training.csv; scores are mean logits of validation points."""

    epoch: int
    train_loss: float
    validation_loss: float
    normal_score: float
    pseudo_anomaly_score: float
    validation_point_auroc: float
    learning_rate: float


@dataclass(eq=False)
class TrainingState:
    """A training after `step` steps of an epoch, whose losses are `losses`."""

    detector: Detector
    optimizers: Sequence[torch.optim.Optimizer]
    schedules: Sequence[LRScheduler]
    epoch: int = 1
    step: int = 0
    losses: list[Tensor] = field(default_factory=list)
    history: list[EpochRecord] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as tensors and numbers."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "detector": self.detector.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedules": [schedule.state_dict() for schedule in self.schedules],
            "losses": self.losses,
            "history": [asdict(record) for record in self.history],
        }

    def load_dict(self, saved: Mapping[str, Any]) -> None:
        """Become the state that `to_dict` has returned."""
        self.detector.load_state_dict(saved["detector"])
        for optimizer, value in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(value)
        for schedule, value in zip(self.schedules, saved["schedules"], strict=True):
            schedule.load_state_dict(value)
        device = next(self.detector.parameters()).device
        self.epoch, self.step = saved["epoch"], saved["step"]
        self.losses = [loss.to(device) for loss in saved["losses"]]
        self.history = [EpochRecord(**record) for record in saved["history"]]

    def finish_epoch(self, train_loss: float, found: ValidationResult) -> None:
        """Note the results of the epoch, and go to the beginning of the next one."""
        record = EpochRecord(
            epoch=self.epoch,
            train_loss=train_loss,
            validation_loss=found.loss,
            normal_score=found.normal_score,
            pseudo_anomaly_score=found.pseudo_anomaly_score,
            validation_point_auroc=found.point_auroc,
            learning_rate=float(self.schedules[0].get_last_lr()[0]),
        )
        self.history.append(record)
        self.epoch, self.step, self.losses = self.epoch + 1, 0, []

    def __str__(self) -> str:
        return f"step {self.step} of epoch {self.epoch}"
