"""The compiled loss is one graph, with the values and gradients of the eager one; a compiler that fails is named."""

import copy
import warnings

import pytest
import torch

from lib.common.errors import TrainingError
from lib.model.detector import DetectorConfig, build_detector
from lib.model.devices import choose_compiled
from lib.model.parallel import Threads
from lib.training import loop
from lib.training.augmentation import augment
from lib.training.loop import Recipe, make_optimizers, training_step
from tests.all_params import all_params
from tests.views.streets import GRID, flat_street

CPU = torch.device("cpu")
RECIPE = Recipe(all_params().train, GRID, CPU, "float32", compiled=True)


def detector_of(fusion):
    return build_detector(DetectorConfig(fusion, 4, 4, 8, GRID.rows, GRID.columns, 15.0, -25.0)).train()


def gradients(loss, detector, frames):
    generator = torch.Generator().manual_seed(frames)
    views, targets = augment(*loop._training_views(flat_street(frames), RECIPE, generator), 0.15, generator)
    value = loss(detector, views, targets, RECIPE)
    return value, torch.autograd.grad(value, list(detector.parameters()))


@pytest.mark.slow
def test_one_graph_gives_the_loss_and_the_gradient_of_the_eager_network():
    """Traced and differentiated ahead of time, without a compiler for this machine: that takes minutes on a CPU."""
    torch.manual_seed(0)
    detector = detector_of("cross_attention")  # which holds all that concat does
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # torch's own, while it imports its compiler
        fused = torch.compile(loop._network_loss, dynamic=False, fullgraph=True, backend="aot_eager")
        for frames in (2, 1, 2):
            twin = copy.deepcopy(detector)
            loss, ours = gradients(fused, detector, frames)
            expected, theirs = gradients(loop._network_loss, twin, frames)
            torch.testing.assert_close(loss, expected)
            for a, b in zip(ours, theirs, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
            detector.load_state_dict(twin.state_dict())


def test_a_compiler_that_fails_is_named_with_the_way_out(monkeypatch):
    def no_compiler(graph, inputs):
        raise OSError("no C++ compiler")

    broken = torch.compile(loop._network_loss, dynamic=False, backend=no_compiler)
    monkeypatch.setattr(loop, "_compiled_loss", lambda: broken)
    detector = detector_of("lidar")
    with Threads(1) as threads, pytest.raises(TrainingError, match=r"no C\+\+ compiler.*set execution\.compile=off"):
        parts = [(detector, flat_street(2), torch.Generator())]
        training_step(threads, parts, RECIPE, make_optimizers(detector, RECIPE))


def test_the_cpu_compiles_nothing_and_off_means_off():
    assert not choose_compiled("auto", CPU)
    assert not choose_compiled("off", torch.device("cuda"))
