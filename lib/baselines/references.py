"""Reference vectors of normality; the score of a feature is its distance to the nearest reference.

Nearest neighbour: the references are a coreset of normal features (as in PatchCore, Roth et al., CVPR 2022, without its
reweighting). Mahalanobis: the references are the means of the normal classes, in a space in which their pooled
covariance is the identity (Lee et al., NeurIPS 2018). N vectors, F features, K references.
"""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.covariance import LedoitWolf
from torch import Tensor

BANK = 1024
MIN_VECTORS_PER_CLASS = 20
CHUNK = 8192
MIN_SPREAD = 1e-6


@dataclass(frozen=True, eq=False)
class References:
    """Reference vectors (K, F) in the space to which features are mapped by (x - center_F) @ map_FF; all float32."""

    center_F: Tensor
    map_FF: Tensor
    vectors_KF: Tensor

    def distances(self, features_NF: Tensor) -> Tensor:
        """Distance (N,) of each feature vector to the nearest reference."""
        mapped = (features_NF.float() - self.center_F) @ self.map_FF
        return torch.cat([torch.cdist(part, self.vectors_KF).amin(1) for part in torch.split(mapped, CHUNK)])

    def to(self, device: torch.device) -> "References":
        """Copy to a device."""
        return References(self.center_F.to(device), self.map_FF.to(device), self.vectors_KF.to(device))


def nearest_neighbour(features_NF: Tensor, size: int, generator: torch.Generator) -> References:
    """References for the distance to the nearest of `size` normal features, scaled to unit standard deviation."""
    center, scale = features_NF.mean(0), _unit_scale(features_NF)
    return References(center, torch.diag(scale), coreset((features_NF - center) * scale, size, generator))


def mahalanobis(features_NF: Tensor, class_N: Tensor) -> References:
    """References for the Mahalanobis distance to the nearest class, with Ledoit and Wolf's shrunk covariance.

    Classes with fewer than MIN_VECTORS_PER_CLASS vectors are ignored; at least one class must have enough.
    """
    center, scale = features_NF.mean(0), _unit_scale(features_NF)
    scaled = ((features_NF - center) * scale).double()
    groups = [scaled[class_N == c] for c in torch.unique(class_N) if (class_N == c).sum() >= MIN_VECTORS_PER_CLASS]
    assert groups, "a class with enough vectors"
    centred = torch.cat([group - group.mean(0) for group in groups]).cpu().numpy()
    values, directions = np.linalg.eigh(LedoitWolf(assume_centered=True).fit(centred).covariance_)
    whiten = torch.from_numpy(directions / np.sqrt(values.clip(min=MIN_SPREAD))).to(features_NF)
    means = torch.stack([group.mean(0) for group in groups]).to(features_NF)
    return References(center, scale[:, None] * whiten, means @ whiten)


def _unit_scale(features_NF: Tensor) -> Tensor:
    """Factors (F,) for unit standard deviation; 0 for constant features (dead units)."""
    spread = features_NF.std(0)
    return torch.where(spread > MIN_SPREAD, 1 / spread.clamp(min=MIN_SPREAD), 0.0)


def coreset(vectors_NF: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Greedy coreset (size, F) of N vectors: each next vector is the one farthest from those already chosen."""
    first = int(torch.randint(len(vectors_NF), (1,), generator=generator))
    chosen = [first]
    distance = (vectors_NF - vectors_NF[first]).square().sum(1)
    while len(chosen) < min(size, len(vectors_NF)):
        chosen.append(int(distance.argmax()))
        distance = torch.minimum(distance, (vectors_NF - vectors_NF[chosen[-1]]).square().sum(1))
    return vectors_NF[chosen]
