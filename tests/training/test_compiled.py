"""The compiled loss is one graph, with the values and gradients of the eager one; a compiler that fails is named."""

import copy
import warnings

import pytest
import torch

from lib.common.errors import TrainingError
from lib.model.detector import DetectorConfig, build_detector
from lib.model.devices import choose_compiled
from lib.training.loop import LossModel, begin_training, training_step, training_views
from lib.training.micro_batches import divide
from lib.training.process_group import ProcessGroup
from lib.training.recipe import Recipe
from tests.all_params import all_params
from tests.views.streets import GRID, flat_street

CPU = torch.device("cpu")
RECIPE = Recipe(all_params().train, GRID, CPU, "float32", compiled=True)


def detector_of(fusion):
    return build_detector(DetectorConfig(fusion, 4, 4, 8, GRID.rows, GRID.columns, 15.0, -25.0)).train()


def gradients(model, frames):
    generator = torch.Generator().manual_seed(frames)
    views, targets = training_views(flat_street(frames), RECIPE, model.detector.config.fuses, generator)
    value = model(views, targets)
    return value, torch.autograd.grad(value, list(model.parameters()))


@pytest.mark.slow
def test_one_graph_gives_the_loss_and_the_gradient_of_the_eager_network():
    """Traced, without a compiler for this machine: that takes minutes on a CPU."""
    torch.manual_seed(0)
    detector = detector_of("cross_attention")  # which holds all that concat does
    fused = LossModel(detector, RECIPE).train()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # torch's own, while it imports its compiler
        fused.compile(dynamic=False, fullgraph=True, backend="eager")
        for frames in (2, 1, 2):
            plain = LossModel(copy.deepcopy(detector), RECIPE).train()
            loss, ours = gradients(fused, frames)
            expected, theirs = gradients(plain, frames)
            torch.testing.assert_close(loss, expected)
            for a, b in zip(ours, theirs, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
            detector.load_state_dict(plain.detector.state_dict())


def test_a_compiler_that_fails_is_named_with_the_way_out(monkeypatch):
    def no_compiler(graph, inputs):
        raise OSError("no C++ compiler")

    detector = detector_of("lidar")
    state = begin_training(detector, RECIPE, frames=2)
    model = LossModel(detector, RECIPE)
    model.compile(dynamic=False, backend=no_compiler)
    [[micro_batch]] = divide(range(2), 2, 2)
    with pytest.raises(TrainingError, match=r"no C\+\+ compiler.*set execution\.compile=off"):
        training_step(model, state, [(micro_batch, flat_street(2))], RECIPE, ProcessGroup())


def test_the_cpu_compiles_nothing_and_off_means_off():
    assert not choose_compiled("auto", CPU)
    assert not choose_compiled("off", torch.device("cuda"))
