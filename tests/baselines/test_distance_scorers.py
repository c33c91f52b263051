import pytest
import torch

from lib.baselines.distance_scorers import distance_scorer, normal_features
from lib.baselines.references import mahalanobis, nearest_neighbour
from lib.common.labels import ROAD, SKY
from lib.inference.scores import score_both_ways
from lib.model.detector import DetectorConfig, build_detector
from lib.views.range_view import make_views
from tests.views.streets import GRID, HEIGHT_PX, WIDTH_PX, flat_street

CONFIG = DetectorConfig("concat", 4, 4, 8, GRID.rows, GRID.columns, GRID.upper_fov_deg, GRID.lower_fov_deg)


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    return build_detector(CONFIG).eval()


@pytest.fixture(scope="module")
def normal(detector):
    return normal_features(detector, [flat_street(2), flat_street(1, seed=1)], GRID, 100, 0, "float32")


def test_features_of_points_and_pixels_of_normal_classes(normal):
    assert normal.point_NF.shape == (300, 8) and normal.pixel_NF.shape == (300, 8)
    assert set(normal.point_class_N.tolist()) == {ROAD}
    assert set(normal.pixel_class_N.tolist()) == {ROAD, SKY}


def by_neighbour(features, _):
    return nearest_neighbour(features, 50, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("fit", [by_neighbour, mahalanobis])
def test_what_no_training_frame_looked_like_is_farther_away(detector, normal, fit):
    scorer = distance_scorer(detector, normal, fit, torch.device("cpu"))
    street = flat_street(1, seed=2)
    odd = type(street)(**{**vars(street), "image_BHW3": 255 - street.image_BHW3 // 4})
    with torch.no_grad():
        usual, unusual = (score_both_ways(scorer, make_views(batch, GRID)[0]) for batch in (street, odd))
    seen = make_views(street, GRID)[0].seen_BRC
    assert usual.pixel_Bhw.shape == (1, HEIGHT_PX // 4, WIDTH_PX // 4)
    for values in (usual.cell_BRC, unusual.pixel_Bhw):
        assert values.dtype == torch.float32 and torch.isfinite(values).all() and (values >= 0).all()
    assert unusual.cell_BRC[seen].mean() > 1.2 * usual.cell_BRC[seen].mean()
    assert unusual.pixel_Bhw.mean() > 1.1 * usual.pixel_Bhw.mean()
