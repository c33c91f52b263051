import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.common.errors import TrainingError
from lib.common.labels import NORMAL_IDS, ROAD, UNKNOWN
from lib.loading.dataset import FrameRef, ShardDataset, batches
from lib.model.detector import DetectorConfig, build_detector
from lib.shards.index import read_index
from lib.shards.shard_reader import read_shard
from lib.synthesis.families import TRAINING, VALIDATION
from lib.synthesis.pasted_windows import pasted_windows
from lib.synthesis.pseudo_anomalies import Mix
from lib.training.loop import begin_training, loss_model, train_detector, training_step, training_views
from lib.training.losses import training_loss
from lib.training.micro_batches import divide
from lib.training.process_group import ProcessGroup
from lib.training.recipe import Recipe, TrainingSet
from lib.views.range_view import make_views
from tests.all_params import all_params
from tests.present import present
from tests.shard_data import write_street_shards

CPU = torch.device("cpu")
CONFIG = DetectorConfig("concat", 4, 4, 8, 32, 256, 15.0, -25.0)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_street_shards(folder, normality=3, static=0)
    return [read_shard(folder / entry.file) for entry in read_index(folder)]


def data_of(shards):
    training = [FrameRef(shard, index) for shard in range(2) for index in range(2)]
    return TrainingSet(shards, training, [FrameRef(2, 0), FrameRef(2, 1)])


def recipe(**changes):
    params = all_params().train.model_copy(update={"epochs": 3, "batch_size": 2, **changes})
    return Recipe(params, CONFIG.grid(80), CPU, "float32")


def test_the_loss_falls_and_history_is_handed_over_whole_each_epoch(shards):
    torch.manual_seed(0)
    seen = []
    history = train_detector(
        build_detector(CONFIG), data_of(shards), recipe(epochs=8), lambda rows: seen.append(len(rows))
    )
    assert seen == list(range(1, 9))
    assert history[-1].train_loss < history[0].train_loss
    assert history[-1].validation_loss < history[0].validation_loss


@pytest.mark.parametrize("warm_up_fraction", [0.0, 0.5, 0.75, 0.9])
def test_any_warm_up_ends_with_the_training(shards, warm_up_fraction):
    """Of two steps, one of a warm-up of one exactly."""
    changes = recipe(epochs=1, warm_up_fraction=warm_up_fraction)
    [record] = train_detector(build_detector(CONFIG), data_of(shards), changes, lambda rows: None)
    assert 0 < record.learning_rate <= changes.params.learning_rate


def test_fractions_say_what_is_pasted(shards, monkeypatch):
    asked = []

    def spy(batch, grid, mix, families, generator):
        asked.append(mix)
        return pasted_windows(batch, grid, mix, families, generator)

    for module in ("loop", "validation"):
        monkeypatch.setattr(f"lib.training.{module}.pasted_windows", spy)
    fractions = {"clean_fraction": 0.1, "misfit_fraction": 0.2, "ground_negative_fraction": 0.3}
    own = recipe(epochs=1, transplant_fraction=0.4, pseudo_anomalies_per_frame=5, **fractions)
    train_detector(build_detector(CONFIG), data_of(shards), own, lambda rows: None)
    assert set(asked) == {Mix(5, 0.1, 0.2, 0.3, 0.4, own.params.retimed_fraction, 0.0, own.params.lost_lag_fraction)}


def test_validation_pastes_families_of_its_own(shards, monkeypatch):
    asked = []

    def spy(batch, grid, mix, families, generator):
        asked.append(families)
        return pasted_windows(batch, grid, mix, families, generator)

    for module in ("loop", "validation"):
        monkeypatch.setattr(f"lib.training.{module}.pasted_windows", spy)
    train_detector(build_detector(CONFIG), data_of(shards), recipe(epochs=2), lambda rows: None)
    assert asked == 2 * [TRAINING, TRAINING, VALIDATION]


def test_it_trains_the_same_every_time(shards):
    def trained():
        torch.manual_seed(0)
        detector = build_detector(CONFIG)
        history = train_detector(detector, data_of(shards), recipe(batch_size=4, micro_batch=2), lambda rows: None)
        return history, detector.state_dict()

    (history, state), (again, same_state) = trained(), trained()
    assert history == again
    assert all(torch.equal(value, same_state[name]) for name, value in state.items())


def test_the_first_step_is_that_of_plain_torch(shards):
    """Gradients and running statistics are means over the micro-batches, weighted by their sizes."""
    torch.manual_seed(0)
    detector, wanted = build_detector(CONFIG), recipe(batch_size=3, micro_batch=2)
    [step] = divide(range(3), 3, 2)
    frames = ShardDataset(shards, data_of(shards).training)
    given = [(each, frames.__getitems__(each.frames)) for each in step]
    plain = begin_training(copy.deepcopy(detector), wanted, frames=30)

    state, group = begin_training(detector, wanted, frames=30), ProcessGroup()
    training_step(loss_model(detector, wanted, group), state, given, wanted, group)

    gradients, statistics = [], []
    for micro_batch, batch in given:
        twin = copy.deepcopy(plain.detector).train()
        views, targets = training_views(batch, wanted, True, micro_batch.generator(CPU, wanted.params.seed, 1))
        training_loss(twin(views), views, targets, wanted).backward()
        gradients.append([present(parameter.grad) for parameter in twin.parameters()])
        statistics.append([buffer for buffer in twin.buffers() if buffer.is_floating_point()])
    for parameter, first, second in zip(plain.detector.parameters(), *gradients, strict=True):
        parameter.grad = (2 * first + second) / 3
    torch.nn.utils.clip_grad_norm_(plain.detector.parameters(), wanted.params.max_gradient_norm)
    for optimizer in plain.optimizers:
        optimizer.step()
    for ours, theirs in zip(detector.parameters(), plain.detector.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)
    running = [buffer for buffer in detector.buffers() if buffer.is_floating_point()]
    for buffer, first, second in zip(running, *statistics, strict=True):
        torch.testing.assert_close(buffer, (2 * first + second) / 3)


def test_a_plain_segmentation_learns_the_classes_and_no_anomaly_logit(shards):
    """It sees frames as they are: nothing that validation pastes has a part in its loss."""
    torch.manual_seed(0)
    detector = build_detector(CONFIG)
    before = detector.get_parameter("cell_head.weight")[0].clone()
    plain = replace(recipe(epochs=12, learning_rate=0.03, weight_decay=0.0), objective="classes")
    history = train_detector(detector, data_of(shards), plain, lambda rows: None)
    assert history[-1].train_loss < 0.7 * history[0].train_loss
    assert torch.equal(detector.get_parameter("cell_head.weight")[0], before)
    views, _ = make_views(next(iter(batches(shards, [FrameRef(2, 0)], 1, CPU))), CONFIG.grid(80))
    with torch.no_grad():
        likeliest = detector.eval()(views).cell_class_BSRC.argmax(1)
    assert (likeliest[views.has_return_BRC] == NORMAL_IDS.index(ROAD)).float().mean() > 0.9


@pytest.mark.parametrize("fusion", ["image", "lidar", "concat"])
def test_only_a_detector_of_both_sensors_trains_without_one(shards, fusion):
    """What one sensor alone reaches is measured with that sensor in every frame."""

    def losses(dropout):
        torch.manual_seed(0)
        detector = build_detector(replace(CONFIG, fusion=fusion))
        rows = train_detector(detector, data_of(shards), recipe(epochs=1, modality_dropout=dropout), lambda rows: None)
        return [row.train_loss for row in rows]

    assert (losses(0.0) == losses(1.0)) == (fusion != "concat")


def test_constant_scores_are_a_collapse(shards):
    detector = build_detector(CONFIG)
    torch.nn.init.zeros_(detector.get_parameter("cell_head.weight"))
    with pytest.raises(TrainingError, match="all scores are equal after epoch 1"):
        train_detector(detector, data_of(shards), recipe(learning_rate=1e-12), lambda rows: None)


def test_labels_of_one_class_are_refused(tmp_path, shards):
    import dataclasses

    blind = [
        dataclasses.replace(
            shard,
            point_class=np.full_like(shard.point_class, UNKNOWN),
            pixel_class=np.full_like(shard.pixel_class, UNKNOWN),
        )
        for shard in shards
    ]
    with pytest.raises(TrainingError, match="hold no pseudo-anomalies"):
        train_detector(build_detector(CONFIG), data_of(blind), recipe(), lambda rows: None)
