"""What the track head adds to its logit: how hard a vehicle brakes, against a known motion and a fit by numpy."""

import numpy as np
import pytest
import torch

from lib.common.ticks import HISTORY_TICKS
from lib.model.track_head import HARDEST_MPS2, SILENT, USUAL_MPS2, WINDOWS, TrackHead, deceleration_mps2

AGO_S = torch.arange(HISTORY_TICKS + 1) / 10


def track(acceleration_mps2, speed_mps=8.0):
    return (-speed_mps * AGO_S + acceleration_mps2 * AGO_S**2 / 2)[None]


@pytest.mark.parametrize("acceleration_mps2", [-9.0, -3.0, 0.0, 2.0])
def test_an_even_motion_gives_its_deceleration(acceleration_mps2):
    """A little less than the truth, as drivers seldom brake hard; far away, much less."""
    near, far = (
        float(deceleration_mps2(track(acceleration_mps2), torch.tensor([range_m]))[0]) for range_m in (5.0, 60.0)
    )
    assert near == pytest.approx(-acceleration_mps2, rel=0.2, abs=1e-3)
    assert abs(far) <= abs(near) + 1e-3 and (acceleration_mps2 == 0 or abs(far) < 0.8 * abs(near))


def test_of_several_windows_the_hardest_braking_counts():
    """Against numpy's fit of each window."""
    places = track(0.0) + 0.05 * torch.randn(50, HISTORY_TICKS + 1, generator=torch.Generator().manual_seed(0))
    places = places - places[:, :1]
    expected = []
    for row in places.double().numpy():
        fits = []
        for ticks in WINDOWS:
            time_s = -AGO_S[: ticks + 1].numpy().astype(float)
            terms = np.column_stack([np.ones_like(time_s), time_s, time_s**2 / 2])
            fit, squares, *_ = np.polyfit(time_s, row[: ticks + 1], 2, full=True)
            variance = max(0.02**2, squares[0] / (ticks - 2)) * np.linalg.inv(terms.T @ terms)[2, 2]
            fits.append(-2 * fit[0] * USUAL_MPS2**2 / (USUAL_MPS2**2 + variance))
        expected.append(max(fits))
    found = deceleration_mps2(places, torch.zeros(50))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_missing_places_are_left_out():
    places = track(-6.0)
    places[:, [2, 4]] = torch.nan
    assert float(deceleration_mps2(places, torch.zeros(1))[0]) == pytest.approx(6.0, rel=0.2)


def test_a_track_is_too_short_to_tell_and_what_no_vehicle_does_is_not_told():
    short = track(-8.0)
    short[:, 3:] = torch.nan
    impossible = track(-3 * HARDEST_MPS2, 40.0)
    found = deceleration_mps2(torch.cat([short, impossible, track(torch.nan)]), torch.tensor([10.0, torch.inf, 5.0]))
    assert found.tolist() == [-torch.inf] * 3


def test_the_score_is_the_sum_of_logit_and_deceleration():
    head, range_m = TrackHead(), torch.tensor([10.0])
    expected = head.logits(track(-8.0), range_m) + deceleration_mps2(track(-8.0), range_m)
    torch.testing.assert_close(head(track(-8.0), range_m), expected)
    unknown = torch.full((1, HISTORY_TICKS + 1), torch.nan)
    assert head(unknown, range_m).tolist() == [-torch.inf]
    head.silence()
    assert SILENT <= head(track(-8.0), range_m) < SILENT / 2
