"""Random surface colours for pseudo-anomalies: plain, or a small random network of the position on the surface.

Such networks of sines (compositional pattern-producing networks: Stanley, 2007) yield blotches, folds, weaves and
gradients at any scale, sharp or soft. The simulator's anomalies have regular patterns instead, so the two differ.
Shape letters: B frames, N points, K colours, H waves, G mixtures.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lib.views.tensors import Rows

COLORS, WAVES, MIXTURES = 3, 8, 6
MIN_WAVES = 3
PLAIN_FRACTION = 0.25


@dataclass(frozen=True, eq=False)
class PseudoTextures(Rows):
    """One random texture per frame, evaluated at positions relative to the object's centre [m].

    wave_BH3 [rad/m], phase_BH: wave vectors and phases; mixture_BGH: weights of the waves in each mixture; blend_BKG:
    weights of the mixtures in the blend from the first colour to each other colour; sharp_B: gain of the blend.
    """

    palette_BK3: Tensor
    wave_BH3: Tensor
    phase_BH: Tensor
    mixture_BGH: Tensor
    blend_BKG: Tensor
    sharp_B: Tensor
    plain_B: Tensor

    def colors(self, offset_B3N: Tensor) -> Tensor:
        """Colours (B, 3, N) in [0, 1] at positions relative to the object's centre [m]."""
        waves_BHN = torch.baddbmm(self.phase_BH[..., None], self.wave_BH3, offset_B3N).sin_()
        mixtures_BGN = (self.mixture_BGH @ waves_BHN).tanh_()
        weight_BKN = ((self.blend_BKG * self.sharp_B[:, None, None]) @ mixtures_BGN).sigmoid_()
        weight_BKN = torch.where(self.plain_B[:, None, None], 0.0, weight_BKN)
        first, second, third = self.palette_BK3[..., None].unbind(1)
        return torch.lerp(torch.lerp(first, second, weight_BKN[:, :1]), third, weight_BKN[:, 1:])


def random_textures(extent_B3: Tensor, patterned_B: Tensor, generator: torch.Generator) -> PseudoTextures:
    """Draw textures for objects of the given extents (B, 3) [m]; no plain colours where `patterned_B`."""
    B, device = len(extent_B3), extent_B3.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=device)

    grey, saturation = uniform(B, COLORS, 1), uniform(B, 1, 1).sqrt()
    size_m_B11 = extent_B3.amax(1).clamp(min=0.3)[:, None, None]
    used_BH = (uniform(B, WAVES) < 0.2 + 0.6 * uniform(B, 1)) | (torch.arange(WAVES, device=device) < MIN_WAVES)
    return PseudoTextures(
        palette_BK3=0.03 + 0.95 * torch.lerp(grey, uniform(B, COLORS, 3), saturation),
        wave_BH3=normal(B, WAVES, 3) * 2.5 * 6.0 ** uniform(B, 1, 1) / size_m_B11,
        phase_BH=2 * torch.pi * uniform(B, WAVES),
        mixture_BGH=1.5 * normal(B, MIXTURES, WAVES) * used_BH[:, None],
        blend_BKG=normal(B, COLORS - 1, MIXTURES),
        sharp_B=1.5 * 12.0 ** uniform(B),
        plain_B=(uniform(B) < PLAIN_FRACTION) & ~patterned_B,
    )
