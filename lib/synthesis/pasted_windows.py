"""Pseudo-anomalies of both kinds, static and temporal, in frames and in what came before them."""

from dataclasses import replace

import torch
from torch import Tensor

from lib.synthesis.earlier_pastes import with_pasted
from lib.synthesis.families import Families
from lib.synthesis.pseudo_anomalies import Mix, paste_pseudo_anomalies
from lib.synthesis.retimed_views import retimed, retiming_of
from lib.synthesis.targets import Targets
from lib.views.frame_batch import FrameBatch
from lib.views.past_views import Lead, PastView, lead_now, make_past_views, with_motion
from lib.views.range_view import RangeGrid, Views, make_views


def pasted_windows(
    batch: FrameBatch, grid: RangeGrid, mix: Mix, families: Families, generator: torch.Generator
) -> tuple[Views, Targets]:
    """Views of a batch with random pseudo-anomalies and negatives, with motion if it holds a past; their targets."""
    views, cell_BP = make_views(batch, grid)
    pasted, targets = paste_pseudo_anomalies(views, grid, mix, families, generator)
    if batch.past is None:
        return pasted, targets
    lead = lead_now(batch.past, views, cell_BP)
    lead = replace(lead, cells_BRC=lead.cells_BRC & (pasted.range_m_BRC == views.range_m_BRC))
    pasts = with_pasted(make_past_views(batch, batch.past, grid), views, pasted, grid, generator)
    retiming = retiming_of(lead, pasts, mix.retimed_fraction, mix.fastest_mps, generator)
    pasts, lead, targets = retimed(pasted, targets, pasts, lead, batch.past, retiming, grid)
    pasts, lead = _with_losses(pasts, lead, mix.lost_lag_fraction, generator)
    return with_motion(pasted, pasts, lead, batch.past, grid), targets


def _with_losses(
    pasts: list[PastView], lead: Lead, fraction: float, generator: torch.Generator
) -> tuple[list[PastView], Lead]:
    """Lose lags and tracks at random, whatever was pasted."""
    drawn = torch.rand(len(pasts) + 1, len(lead.places_m_BT), generator=generator, device=lead.places_m_BT.device)
    kept = [replace(past, exists_B=past.exists_B & (drawn[n] >= fraction)) for n, past in enumerate(pasts)]
    tracked_B = drawn[-1] >= fraction
    places: Tensor = torch.where(tracked_B[:, None], lead.places_m_BT, torch.nan)
    return kept, Lead(lead.cells_BRC & tracked_B[:, None, None], places)
