"""Scores of validation frames, original and with pseudo-anomalies, for calibration without any test data."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from lib.common.errors import DataError, ParamsError
from lib.common.labels import NORMAL_IDS
from lib.common.paths import TRACKS
from lib.common.ticks import SINGLE_FRAME
from lib.inference.frame_scores import frame_scores
from lib.inference.shard_scoring import Scoring, logits_of
from lib.inference.threads import Threads
from lib.loading.dataset import FrameRef, batches
from lib.loading.shard_windows import ShardWindows, windows_of
from lib.model.backbones import PIXEL_STRIDE
from lib.shards.index import open_entry, read_index
from lib.shards.predictions import to_float16
from lib.shards.shard_reader import Shard
from lib.shards.split import assign_splits, training_frames
from lib.shards.split_params import SplitParams
from lib.shards.validation_scores import NORMAL, NOT_SCORED, PASTED, ValidationScores
from lib.synthesis.families import VALIDATION
from lib.synthesis.objects import class_mask
from lib.synthesis.pasted_windows import pasted_windows
from lib.synthesis.pseudo_anomalies import Mix
from lib.synthesis.targets import UNSURE, Targets, no_targets
from lib.views.frame_batch import FrameBatch
from lib.views.past_views import views_of
from lib.views.range_view import Views

SLOTS: Final = 1  # as many anomalies as a scenario of AnoVox has
SEED: Final = 15_485_863
SHIFT_STEP: Final = 1 / 256


class _Scored(NamedTuple):
    frame_B: Tensor
    image_fraction_B: Tensor
    points_B: Tensor
    cell_BK: Tensor
    cell_label_BK: Tensor
    pixel_BL: Tensor
    pixel_label_BL: Tensor


@dataclass(frozen=True, eq=False)
class ValidationSet:
    """Shards of the validation scenarios, and their usable frames, ordered by name and time; windows as in batches."""

    shards: Sequence[Shard]
    frames: Sequence[FrameRef]
    windows: Sequence[ShardWindows] | None


def validation_set(
    folder: Path, params: SplitParams, tracks: Path = TRACKS, window: tuple[int, ...] = SINGLE_FRAME
) -> ValidationSet:
    """Open the validation scenarios of a folder of shards, with their tracks if the window has several lags.

    Raises ParamsError if no frame is usable.
    """
    entries = read_index(folder)
    splits = assign_splits(entries, params)
    chosen = sorted((e for e in entries if splits[e.scenario] == "validation"), key=lambda e: (e.scenario, e.camera))
    shards = [open_entry(folder, entry) for entry in chosen]
    refs = [FrameRef(n, int(index)) for n, shard in enumerate(shards) for index in training_frames(shard, params)]
    if not refs:
        raise ParamsError(
            f"split.validation_fraction: got {params.validation_fraction}, which leaves no frame for calibration; "
            "raise it or add more scenarios"
        )
    return ValidationSet(shards, refs, windows_of(shards, window, tracks))


def score_validation(
    scoring: Scoring, validation: ValidationSet, model_fingerprint: str, threads: Threads
) -> ValidationScores:
    """Score all original frames, and `predict.validation_frames` frames of which some have pseudo-anomalies.

    The latter are drawn from all frames; if there are fewer, frames are repeated with other pseudo-anomalies.
    """
    shards, refs = validation.shards, validation.frames

    def scored(chosen: Sequence[FrameRef], seed: int | None) -> _Scored:
        numbered = enumerate(_batches(scoring, validation, chosen))
        seeded = ((batch, None if seed is None else seed + number) for number, batch in numbered)
        parts = threads.map(partial(_score_batch, scoring), seeded)
        return _Scored(*(torch.cat(tensors).cpu() for tensors in zip(*parts, strict=True)))

    chosen_refs = _draw_frames(refs, scoring.params.validation_frames)
    normal, pasted = scored(refs, None), scored(chosen_refs, SEED)
    return ValidationScores(
        model_fingerprint=model_fingerprint,
        outside_shift=scoring.outside_shift,
        drives=tuple((shard.scenario, shard.camera_name) for shard in shards),
        drive=np.array([ref.shard for ref in refs], dtype=np.int32),
        time_s=np.array([shards[ref.shard].time_s[ref.index] for ref in refs], dtype=np.float64),
        frame_score=to_float16(normal.frame_B.numpy()),
        pasted_drive=np.array([ref.shard for ref in chosen_refs], dtype=np.int32),
        pasted_score=to_float16(pasted.frame_B.numpy()),
        pasted_image_fraction=pasted.image_fraction_B.numpy(),
        pasted_points=pasted.points_B.numpy().astype(np.int32),
        point_score=to_float16(pasted.cell_BK.numpy()),
        point_label=pasted.cell_label_BK.numpy().astype(np.uint8),
        pixel_score=to_float16(pasted.pixel_BL.numpy()),
        pixel_label=pasted.pixel_label_BL.numpy().astype(np.uint8),
    )


def matched_outside(scoring: Scoring, validation: ValidationSet, threads: Threads) -> Scoring:
    """Lower the scores of points outside the image until they have the same false positive rate as those inside.

    Training covers only the camera's view, so that normal points outside it score higher. The rate is
    predict.outside_false_alarms, measured on normal points of at most predict.validation_frames validation frames.
    Scores are never raised. Raises DataError if they are not finite.
    """
    fraction = scoring.params.outside_false_alarms
    if fraction is None:
        return scoring
    refs = validation.frames
    chosen_refs = _draw_frames(refs, min(len(refs), scoring.params.validation_frames))
    frames = _batches(scoring, validation, chosen_refs)
    scored = list(threads.map(partial(_of_normal_points, scoring), frames))
    inside, outside = (torch.cat(parts).numpy() for parts in zip(*scored, strict=True))
    if not len(inside) or not len(outside):
        return scoring
    passing_inside, passing_outside = (float(np.quantile(s, 1 - fraction, method="higher")) for s in (inside, outside))
    difference = passing_inside - passing_outside
    if not math.isfinite(difference):
        raise DataError("the model's scores of validation frames are not finite; train it again (`dvc repro -f train`)")
    # Rounded down, so that equal scores outside stay below the threshold; coarse, to hide rounding errors of CUDA.
    shift = math.floor(difference / SHIFT_STEP) * SHIFT_STEP
    return replace(scoring, outside_shift=min(0.0, shift))


def _batches(scoring: Scoring, validation: ValidationSet, chosen: Sequence[FrameRef]) -> Iterator[FrameBatch]:
    size, device = scoring.params.batch_size, scoring.device
    return batches(validation.shards, chosen, size, device, validation.windows)


@torch.inference_mode()
def _of_normal_points(scoring: Scoring, batch: FrameBatch) -> tuple[Tensor, Tensor]:
    """Scores of cells of normal classes inside the image, and of those outside."""
    views, _ = views_of(batch, scoring.grid)
    seen = views.seen_BRC
    normal = class_mask(views.point_class_BRC, NORMAL_IDS) & views.has_return_BRC
    cell_BRC = logits_of(scoring, views).cell_BRC
    return cell_BRC[normal & seen].cpu(), cell_BRC[normal & ~seen].cpu()


def in_view(views: Views, targets: Targets) -> tuple[Tensor, Tensor]:
    """Size of the pseudo-anomalies: fraction of the image (B,) and number of points in view (B,)."""
    seen = views.seen_BRC
    points_B = ((targets.cell_BRC == 1) & seen).flatten(1).sum(1)
    return (targets.pixel_BHW == 1).flatten(1).float().mean(1), points_B


def check_both_kinds(anomalous: npt.NDArray[np.bool_], remedy: str) -> None:
    """Raise DataError unless some frames have a pseudo-anomaly and some do not; `remedy`: what to change."""
    if anomalous.all() or not anomalous.any():
        raise DataError(
            "calibration needs validation frames with and without pseudo-anomalies in view, but one kind is missing; "
            f"raise split.validation_fraction or {remedy}"
        )


def _draw_frames(refs: Sequence[FrameRef], count: int) -> list[FrameRef]:
    generator = np.random.default_rng(SEED)
    rounds = -(-count // len(refs))
    order = np.concatenate([generator.permutation(len(refs)) for _ in range(rounds)])[:count]
    return [refs[i] for i in order.tolist()]


@torch.inference_mode()
def _score_batch(scoring: Scoring, seeded: tuple[FrameBatch, int | None]) -> _Scored:
    """Score a batch; with a seed, pseudo-anomalies are pasted first."""
    batch, seed = seeded
    if seed is None:
        views, _ = views_of(batch, scoring.grid)
        targets = no_targets(views)
    else:
        generator = torch.Generator(scoring.device).manual_seed(seed)
        mix = Mix(SLOTS, scoring.params.validation_clean_fraction)
        views, targets = pasted_windows(batch, scoring.grid, mix, VALIDATION, generator)
    image_fraction_B, points_B = in_view(views, targets)
    cell_label_BRC = torch.where(views.seen_BRC, _labels(targets.cell_BRC), NOT_SCORED)
    logits = logits_of(scoring, views)
    frame_B = frame_scores(logits, views, scoring.params)
    cells = logits.cell_BRC.flatten(1), cell_label_BRC.flatten(1)
    pixels = logits.pixel_Bhw.flatten(1), _quarter_size(_labels(targets.pixel_BHW)).flatten(1)
    return _Scored(frame_B, image_fraction_B, points_B, *cells, *pixels)


def _labels(target: Tensor) -> Tensor:
    """NORMAL, PASTED or NOT_SCORED of each cell or pixel."""
    return torch.where(target == UNSURE, NOT_SCORED, torch.where(target == 1, PASTED, NORMAL))


def _quarter_size(label_BHW: Tensor) -> Tensor:
    """The label (B, h, w) that all pixels of a quarter-size pixel share; NOT_SCORED if they differ."""
    label_B1HW = label_BHW[:, None].float()
    highest, lowest = (sign * max_pool2d(sign * label_B1HW, PIXEL_STRIDE, ceil_mode=True)[:, 0] for sign in (1, -1))
    return torch.where(highest == lowest, highest, NOT_SCORED)
