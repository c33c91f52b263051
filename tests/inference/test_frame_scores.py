from dataclasses import replace
from typing import get_args

import pytest
import torch

from lib.inference.frame_scores import frame_scores, pooled
from lib.inference.predict_params import FrameScore
from lib.model.detector import Logits, no_lead
from lib.views.range_view import by_field, make_views
from tests.all_params import all_params
from tests.views.streets import GRID, flat_street

LOW, HIGH, POINTS, PIXELS = -3.0, 5.0, 6, 3


@pytest.fixture(scope="module")
def views():
    return make_views(flat_street(2), GRID)[0]


@pytest.fixture(scope="module")
def seen(views):
    """Numbers of the seen cells of the first frame, nearest to the point 6 m ahead first."""
    shown = views.seen_BRC[0].flatten().nonzero()[:, 0]
    xyz = views.xyz_B3RC[0].flatten(1).T[shown]
    away = (xyz - xyz.new_tensor([6.0, 0.0, -1.8])).square().sum(1)
    return shown[away.argsort()]


def params(how, points=POINTS):
    changes = {"frame_score": how, "frame_top_points": points, "frame_top_pixels": PIXELS}
    return all_params().predict.model_copy(update=changes)


def logits(cell_BRC, pixel_Bhw=None):
    """Logits of which only the anomaly logits matter; those of pixels are low unless given."""
    none = cell_BRC.new_empty(0)
    pixel_Bhw = torch.full((len(cell_BRC), 8, 12), LOW) if pixel_Bhw is None else pixel_Bhw
    return Logits(cell_BRC, none, pixel_Bhw, none, no_lead(cell_BRC))


def score(views, cells, how, logit=HIGH):
    cell_BRC = torch.full_like(views.range_m_BRC, LOW)
    cell_BRC[0].view(-1)[cells] = logit
    return frame_scores(logits(cell_BRC), views, params(how))[0].item()


@pytest.mark.parametrize("how", get_args(FrameScore))
def test_more_suspicious_points_never_make_a_frame_less_suspicious(views, seen, how):
    scores = [score(views, seen[:count], how) for count in (0, 2, 6, 40)]
    assert scores == sorted(scores)
    assert scores[0] == pytest.approx(LOW) and scores[-1] > scores[0] + 1


@pytest.mark.parametrize("how", get_args(FrameScore))
def test_a_frame_does_not_depend_on_its_batch(views, how):
    cells = torch.randn(views.range_m_BRC.shape, generator=torch.Generator().manual_seed(0))
    pixels = torch.tensor([[-9.0, 9.0], [1.0, 2.0]]).view(2, 1, 2)
    alone = [by_field(lambda here, row=row: here[row : row + 1], views) for row in range(2)]
    together = frame_scores(logits(cells, pixels), views, params(how))
    apart = torch.cat(
        [frame_scores(logits(cells[i : i + 1], pixels[i : i + 1]), alone[i], params(how)) for i in range(2)]
    )
    assert torch.equal(together, apart)


@pytest.mark.parametrize("how", get_args(FrameScore))
def test_cells_that_the_camera_does_not_see_do_not_count(views, how):
    hidden = (~views.seen_BRC[0].flatten()).nonzero()[:, 0]
    assert score(views, hidden, how, logit=100.0) == pytest.approx(LOW)


def test_scattered_points_count_less_than_the_same_together(views, seen):
    scattered = seen[:: len(seen) // POINTS][:POINTS]
    assert score(views, scattered, "top_points") == pytest.approx(score(views, seen[:POINTS], "top_points"))
    for how in ("pooled", "cluster"):
        assert score(views, scattered, how) < score(views, seen[:POINTS], how) - 1


def test_pooling_stops_at_the_edge_of_a_surface(views, seen):
    """A neighbour in the range view that lies metres behind takes no part in the mean."""
    cells = torch.zeros_like(views.range_m_BRC)
    xyz = views.xyz_B3RC.clone()
    cell = int(seen[0])
    row, column = divmod(cell, GRID.visible_columns)
    cells[0, row, column] = HIGH
    xyz[0, :, row, column] *= 0.5
    shown = views.seen_BRC
    assert pooled(cells, xyz, shown, 1.0)[0, row, column] == HIGH
    assert pooled(cells, views.xyz_B3RC, shown, 1.0)[0, row, column] < HIGH


def test_fewer_cells_than_asked_for(views):
    blind = replace(views, range_m_BRC=torch.zeros_like(views.range_m_BRC))
    for how in get_args(FrameScore):
        assert score(blind, torch.arange(3), how) == pytest.approx(LOW)
        few = frame_scores(logits(torch.full_like(views.range_m_BRC, LOW)), views, params(how, points=10**6))
        assert few[0].item() == pytest.approx(LOW)


def test_pixels_alone_can_make_a_frame_suspicious_where_they_are_asked(views):
    cells, pixels = torch.full_like(views.range_m_BRC, LOW), torch.full((2, 8, 12), LOW)
    pixels[0, 3, 4:7] = HIGH
    found = {how: frame_scores(logits(cells, pixels), views, params(how)).tolist() for how in get_args(FrameScore)}
    assert found.pop("points_or_pixels") == pytest.approx([HIGH, LOW])
    assert all(scores == pytest.approx([LOW, LOW]) for scores in found.values())
