"""A training step never makes the host look at a result: on CUDA it would wait for all that was asked before."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from lib.model.detector import DetectorConfig, build_detector
from lib.training.loop import begin_training, loss_model, training_step
from lib.training.micro_batches import divide
from lib.training.process_group import ProcessGroup
from lib.training.recipe import Recipe
from lib.views.tensors import class_table, constant
from tests.all_params import all_params
from tests.present import present
from tests.views.streets import GRID, flat_street

CPU = torch.device("cpu")
WAITS = {
    "aten::_local_scalar_dense",  # .item(), .tolist(), bool(tensor)
    "aten::nonzero",  # boolean indices
    "aten::masked_select",
    "aten::lift_fresh",  # torch.tensor(...): memory that is not pinned
}
"""Operations that wait for CUDA, whatever they are part of."""
READS_ITS_STEP_COUNT_ON_THE_CPU_ONLY = "aten::_fused_adamw_"


def waits(function):
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        function()
    found = [event for event in recorded.events() if event.name in WAITS]
    return [event.name for event in found if READS_ITS_STEP_COUNT_ON_THE_CPU_ONLY not in names_above(event)]


def names_above(event):
    while event.cpu_parent is not None:
        event = event.cpu_parent
        yield event.name


@pytest.mark.parametrize("objective", ["anomalies", "classes"])
@pytest.mark.parametrize("fusion", ["image", "lidar", "concat", "cross_attention"])
def test_a_training_step_asks_for_no_value(fusion, objective):
    config = DetectorConfig(fusion, 4, 4, 8, GRID.rows, GRID.columns, 15.0, -25.0)
    recipe = Recipe(all_params().train, GRID, CPU, "bfloat16", objective=objective)
    state = begin_training(build_detector(config), recipe, frames=16)
    model, [micro_batches, *_] = loss_model(state.detector, recipe, ProcessGroup()), divide(range(4), 4, 2)
    given = [(micro_batch, flat_street(2)) for micro_batch in micro_batches]

    def step():
        training_step(model, state, given, recipe, ProcessGroup())

    step()
    assert waits(step) == []


def test_the_test_sees_what_would_wait():
    values = torch.rand(5)
    assert waits(lambda: values.max().item()) == ["aten::_local_scalar_dense"]
    assert "aten::nonzero" in waits(lambda: values[values > 0.5])
    assert waits(lambda: torch.tensor([1.0, 2.0])) == ["aten::lift_fresh"]
    assert waits(lambda: torch.multinomial(values, 1)) != []


def test_constants_are_made_once_and_usable_in_training_even_if_first_asked_for_in_inference():
    with torch.inference_mode():
        made = constant((3.0, 5.0), torch.float32, CPU)
    assert constant((3.0, 5.0), torch.float32, CPU) is made
    weight = torch.ones(2, requires_grad=True)
    (weight * made).sum().backward()
    assert present(weight.grad).tolist() == [3.0, 5.0]
    assert class_table((1, 200), CPU).nonzero().flatten().tolist() == [1, 200]
