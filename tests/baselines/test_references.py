import numpy as np
import torch
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors

from lib.baselines.references import coreset, mahalanobis, nearest_neighbour


def features(count=400, width=6, seed=0):
    """Vectors whose features correlate and differ in scale."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(width, width, generator=generator)
    return (torch.randn(count, width, generator=generator) @ mix) * torch.logspace(-2, 2, width) + 3


def test_nearest_neighbour_equals_scikit_learn_on_scaled_features():
    normal, asked = features(), features(50, seed=1)
    everything = nearest_neighbour(normal, len(normal), torch.Generator().manual_seed(0))
    mean, spread = normal.mean(0), normal.std(0)
    search = NearestNeighbors(n_neighbors=1).fit(((normal - mean) / spread).numpy())
    expected = search.kneighbors(((asked - mean) / spread).numpy())[0][:, 0]
    assert np.allclose(everything.distances(asked).numpy(), expected, atol=1e-3)
    assert everything.distances(normal).max() < 0.02


def test_mahalanobis_equals_scikit_learn_for_one_class():
    normal, asked = features(), features(50, seed=1)
    mean, spread = normal.mean(0), normal.std(0)
    model = LedoitWolf().fit(((normal - mean) / spread).double().numpy())
    expected = np.sqrt(model.mahalanobis(((asked - mean) / spread).double().numpy()))
    found = mahalanobis(normal, torch.zeros(len(normal))).distances(asked)
    assert np.allclose(found.numpy(), expected, rtol=1e-3)


def test_mahalanobis_asks_the_nearest_class_and_leaves_tiny_ones_out():
    generator = torch.Generator().manual_seed(0)
    near, far = torch.randn(200, 3, generator=generator), torch.randn(200, 3, generator=generator) + 40
    few = torch.randn(5, 3, generator=generator) - 40
    kinds = torch.tensor([1] * 200 + [2] * 200 + [3] * 5)
    references = mahalanobis(torch.cat([near, far, few]), kinds)
    assert len(references.vectors_KF) == 2
    at_home, between, tiny = references.distances(torch.tensor([[40.0] * 3, [20.0] * 3, [-40.0] * 3])).tolist()
    assert at_home < 1 < 10 < between < tiny


def test_features_without_spread_say_nothing():
    normal = features()
    normal[:, 2] = 7.0
    asked = normal[:3].clone()
    asked[:, 2] = 1e6
    for references in (
        nearest_neighbour(normal, 400, torch.Generator().manual_seed(0)),
        mahalanobis(normal, torch.zeros(len(normal))),
    ):
        assert torch.isfinite(references.distances(asked)).all()
        assert torch.allclose(references.distances(asked), references.distances(normal[:3]), atol=1e-2)


def test_a_coreset_covers_better_than_chance():
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(2000, 4, generator=generator)

    def radius(chosen):
        return torch.cdist(vectors, chosen).amin(1).max()

    chosen = coreset(vectors, 40, torch.Generator().manual_seed(1))
    assert len(torch.unique(chosen, dim=0)) == 40
    assert radius(chosen) < 0.7 * radius(vectors[:40])
    assert len(coreset(vectors[:7], 40, torch.Generator().manual_seed(1))) == 7
