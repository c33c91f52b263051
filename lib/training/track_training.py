"""The track head is trained apart from the network: it sees re-timed tracks of vehicles ahead, and nothing else."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from lib.common.ticks import HISTORY_TICKS
from lib.model.track_head import TrackHead
from lib.synthesis.retiming import LEAST_TICKS, draw_retiming, farther_back_m
from lib.training.recipe import Recipe, TrainingSet

STEPS = 2000
ROWS = 2048
LEARNING_RATE = 3e-3


def known_tracks(data: TrainingSet) -> tuple[Tensor, Tensor]:
    """Places (N, T) [m] and ranges (N,) [m] of the vehicles ahead, of training frames in which they can be re-timed."""
    assert data.windows is not None
    followed = [(data.windows[ref.shard].tracks, ref.index) for ref in data.training]
    found = [(tracks.places_m[index], tracks.range_m[index]) for tracks, index in followed if tracks is not None]
    places_m_NT = np.array([places_m for places_m, _ in found], dtype=np.float32).reshape(-1, HISTORY_TICKS + 1)
    range_m_N = np.array([range_m for _, range_m in found], dtype=np.float32)
    lasts = np.isfinite(places_m_NT).sum(axis=1) > LEAST_TICKS
    return torch.from_numpy(places_m_NT[lasts]), torch.from_numpy(range_m_N[lasts])


def train_track_head(head: TrackHead, places_m_NT: Tensor, range_m_N: Tensor, recipe: Recipe) -> None:
    """Train a track head on tracks that are re-timed, by cross-entropy, and freeze it.

    Without a track to learn from, it never says that a vehicle brakes.

    It is small and sees no picture, so that it takes seconds on a CPU, and each process gets the same weights.
    """
    generator = torch.Generator().manual_seed(recipe.params.seed)
    optimizer = torch.optim.AdamW(head.parameters(), LEARNING_RATE, weight_decay=recipe.params.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
    if not len(places_m_NT):
        head.silence()
    for _ in range(STEPS if len(places_m_NT) else 0):
        rows = torch.randint(len(places_m_NT), (ROWS,), generator=generator)
        places_m_BT = places_m_NT[rows]
        retiming = draw_retiming(places_m_BT, (), recipe.params.retimed_fraction, recipe.fastest_mps, generator)
        logit_B = head.logits(places_m_BT - farther_back_m(places_m_BT, retiming), range_m_N[rows])
        loss = binary_cross_entropy_with_logits(logit_B, retiming.positive_B.float())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    head.requires_grad_(False)
