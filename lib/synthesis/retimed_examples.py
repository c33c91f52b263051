"""Vehicles whose past is edited, beside how they were: examples for the sheet of tools/pseudo_anomalies.py."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lib.common.ticks import TICK_S
from lib.synthesis.retimed_views import lead_pixels, retimed, retiming_of
from lib.synthesis.retiming import Retiming
from lib.synthesis.targets import no_targets
from lib.views.frame_batch import FrameBatch
from lib.views.past_views import PAST_STRIDE, Lead, PastView, every_second, lead_now, make_past_views
from lib.views.range_view import RangeGrid, Views, make_views

RETIMED_KINDS: Final = ("brakes fully", "brakes as drivers do (normal)", "other speed (normal)")
LEAST_BRAKING_MPS2: Final = 1.0
LEAST_OTHER_MPS: Final = 1.0
SEED: Final = 49_979_687
ROUNDS: Final = 4
"""Each frame is drawn so many times."""
_MARGIN: Final = 0.5
_LEAST_PX, _LEAST_CELLS = 24, 12
_MIN_COLOR_CHANGE: Final = 0.01
Box = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Moment:
    """What is seen around the vehicle: image (h, w, 3) in [0, 1], range_m (r, c) with 0 = no return, and which of these
    cells are the vehicle's (r, c).
    """

    image: npt.NDArray[np.float32]
    range_m: npt.NDArray[np.float32]
    cells: npt.NDArray[np.bool_]

    @property
    def vehicle_m(self) -> float:
        """The median range [m] of the vehicle's cells; nan without one."""
        return float(np.median(self.range_m[self.cells])) if self.cells.any() else float("nan")


@dataclass(frozen=True, eq=False)
class RetimedExample:
    """A frame whose past is edited: now, and at each lag ago_s [s] as it was and as edited; `text`: what was drawn."""

    kind: str
    text: str
    ago_s: tuple[float, ...]
    now: Moment
    original: tuple[Moment, ...]
    edited: tuple[Moment, ...]


@torch.no_grad()
def retimed_examples(batch: FrameBatch, grid: RangeGrid, fastest_mps: float, each: int) -> Iterator[RetimedExample]:
    """Yield `each` examples per kind, as training draws them, from the one with most changed pixels to the middle one.

    Kinds that are never drawn are left out: of a batch without a vehicle that is followed, all.
    """
    assert batch.past is not None
    views, cell_BP = make_views(batch, grid)
    pasts, lead = make_past_views(batch, batch.past, grid), lead_now(batch.past, views, cell_BP)
    generator = torch.Generator(views.image_B3HW.device).manual_seed(SEED)
    retimings = [retiming_of(lead, pasts, 1.0, fastest_mps, generator) for _ in range(ROUNDS)]
    edited = [retimed(views, no_targets(views), pasts, lead, batch.past, retiming, grid)[0] for retiming in retimings]
    changed_SB = torch.stack([_changed_pixels(pasts, after).flatten(1).sum(1) for after in edited])
    pixels_BHW = lead_pixels(views, lead, batch.past.vehicle_R_camera_B33[:, 0])
    for kind in RETIMED_KINDS:
        chosen_SB = torch.stack([_is_kind(kind, retiming) for retiming in retimings]) & (changed_SB > 0)
        order = torch.where(chosen_SB, changed_SB, 0).flatten().argsort(descending=True, stable=True)
        found = order[: int(chosen_SB.sum())].tolist()
        wanted = np.linspace(0, (len(found) - 1) // 2, each).round().astype(int) if found else np.empty(0, dtype=int)
        for place in np.unique(wanted).tolist():
            drawn, frame = divmod(found[place], chosen_SB.shape[1])
            yield _example(kind, views, lead, pixels_BHW, pasts, edited[drawn], retimings[drawn], frame)


def _is_kind(kind: str, retiming: Retiming) -> Tensor:
    """In which frames (B,) the vehicle is re-timed so."""
    if kind == "brakes fully":
        return retiming.positive_B
    normal_B, other_B = retiming.edited_B & ~retiming.positive_B, retiming.faster_mps_B.abs() > LEAST_OTHER_MPS
    if kind == "other speed (normal)":
        return normal_B & other_B
    return normal_B & (retiming.faster_mps_B == 0) & (retiming.deceleration_mps2_B > LEAST_BRAKING_MPS2)


def _changed_pixels(before: list[PastView], after: list[PastView]) -> Tensor:
    """Pixels (B, h, w) bool of half-size images that are edited at any lag."""
    changed = [
        ((late.image_B3hw - early.image_B3hw).abs().mean(1) > _MIN_COLOR_CHANGE) & early.exists_B[:, None, None]
        for early, late in zip(before, after, strict=True)
    ]
    return torch.stack(changed).any(0)


def _example(
    kind: str,
    views: Views,
    lead: Lead,
    pixels_BHW: Tensor,
    before: list[PastView],
    after: list[PastView],
    retiming: Retiming,
    frame: int,
) -> RetimedExample:
    pairs = [(b, a) for b, a in zip(before, after, strict=True) if bool(b.exists_B[frame])]
    changed_hw = _changed_pixels([b for b, _ in pairs], [a for _, a in pairs])[frame]
    box = _around(changed_hw | every_second(pixels_BHW)[frame], _LEAST_PX)
    cells_RC = torch.stack([lead.cells_BRC[frame], *(each.lead_BRC[frame] for pair in pairs for each in pair)]).any(0)
    cell_box = _around(cells_RC, _LEAST_CELLS)
    large = tuple(slice(PAST_STRIDE * side.start, PAST_STRIDE * side.stop) for side in box)
    image_HW3 = views.image_B3HW[frame].permute(1, 2, 0)[large]
    return RetimedExample(
        kind=kind,
        text=_text(retiming, frame),
        ago_s=tuple(b.lag * TICK_S for b, _ in pairs),
        now=Moment(
            _array(image_HW3), _array(views.range_m_BRC[frame][cell_box]), _array(lead.cells_BRC[frame][cell_box])
        ),
        original=tuple(_moment(b, frame, box, cell_box) for b, _ in pairs),
        edited=tuple(_moment(a, frame, box, cell_box) for _, a in pairs),
    )


def _moment(past: PastView, frame: int, box: Box, cell_box: Box) -> Moment:
    image_hw3 = past.image_B3hw[frame].permute(1, 2, 0)[box]
    return Moment(_array(image_hw3), _array(past.range_m_BRC[frame][cell_box]), _array(past.lead_BRC[frame][cell_box]))


def _text(retiming: Retiming, frame: int) -> str:
    """How the drawn past differs from the true one, in words."""
    faster_mps, deceleration_mps2 = float(retiming.faster_mps_B[frame]), float(retiming.deceleration_mps2_B[frame])
    braked = f"{'slowed' if deceleration_mps2 > 0 else 'gained'} {abs(deceleration_mps2):.1f} m/s²"
    drawn = [f"{braked} more", f"for {float(retiming.braked_s_B[frame]):.1f} s"]
    if ended_s := float(retiming.ended_s_B[frame]):
        drawn.append(f"until {ended_s:.1f} s ago")
    if faster_mps:
        drawn.append(f"{abs(faster_mps):.1f} m/s {'faster' if faster_mps > 0 else 'slower'}")
    return ",\n".join(drawn)


def _around(mask: Tensor, least: int) -> Box:
    """The part of a map (h, w) that holds a mask (h, w) with a margin, at least so many wide and high."""
    sides = []
    for along, size in ((1, mask.shape[0]), (0, mask.shape[1])):
        places = torch.nonzero(mask.any(along)).flatten()
        first, last = (int(places[0]), int(places[-1]) + 1) if len(places) else (0, size)
        wide = max(round((last - first) * (1 + _MARGIN)), least)
        start = max(min((first + last - wide) // 2, size - wide), 0)
        sides.append(slice(start, min(start + wide, size)))
    return sides[0], sides[1]


def _array(values: Tensor) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = values.cpu().numpy()
    return found
