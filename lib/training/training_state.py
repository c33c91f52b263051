"""All that changes in a training from step to step: what an interrupted one needs to go on to the same end."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from lib.model.detector import Detector


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
    """A training after `step` steps of an epoch; at the end of an epoch the twins' batch statistics are shared.

    `losses`: of the epoch's steps so far.
    """

    twins: Sequence[Detector]
    optimizers: Sequence[torch.optim.Optimizer]
    schedules: Sequence[LRScheduler]
    generators: list[torch.Generator]
    epoch: int = 1
    step: int = 0
    losses: list[Tensor] = field(default_factory=list)
    history: list[EpochRecord] = field(default_factory=list)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of the state by name."""
        found: dict[str, Tensor] = {f"parameter.{name}": value for name, value in self.twins[0].named_parameters()}
        for number, twin in enumerate(self.twins):
            found |= {f"buffer.{number}.{name}": value for name, value in twin.named_buffers()}
        for number, optimizer in enumerate(self.optimizers):
            for place, values in optimizer.state_dict()["state"].items():
                found |= {f"optimizer.{number}.{place}.{key}": value for key, value in values.items()}
        found |= {f"generator.{number}": each.get_state() for number, each in enumerate(self.generators)}
        found |= {"generator.torch": torch.get_rng_state()}
        return found | ({"losses": torch.stack(self.losses)} if self.losses else {})

    def values(self) -> dict[str, Any]:
        """All else, as JSON can hold it."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "history": [asdict(record) for record in self.history],
            "schedules": [schedule.state_dict() for schedule in self.schedules],
            "learning_rates": [[group["lr"] for group in each.param_groups] for each in self.optimizers],
        }

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Become the state that these tensors and values are of, on the devices and in the layouts of this one."""
        for name, parameter in self.twins[0].named_parameters():
            parameter.copy_(tensors[f"parameter.{name}"])
        for number, twin in enumerate(self.twins):
            for name, buffer in twin.named_buffers():
                buffer.copy_(tensors[f"buffer.{number}.{name}"])
        for number, optimizer in enumerate(self.optimizers):
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            for place, parameter in enumerate(parameters):
                prefix = f"optimizer.{number}.{place}."
                kept = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
                optimizer.state[parameter] = {key: _like(parameter, value) for key, value in kept.items()}
        for number, generator in enumerate(self.generators):
            generator.set_state(tensors[f"generator.{number}"])
        torch.set_rng_state(tensors["generator.torch"])
        for schedule, kept in zip(self.schedules, values["schedules"], strict=True):
            schedule.load_state_dict(kept)
        for optimizer, rates in zip(self.optimizers, values["learning_rates"], strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate
        self.epoch, self.step = values["epoch"], values["step"]
        self.history = [EpochRecord(**record) for record in values["history"]]
        device = next(self.twins[0].parameters()).device
        self.losses = list(tensors["losses"].to(device)) if self.step else []


def _like(parameter: Tensor, value: Tensor) -> Tensor:
    """A value of an optimizer's state, laid out in memory as the parameter it is of; a count of steps as it is."""
    if value.shape != parameter.shape:
        return value.to(parameter.device)
    return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
