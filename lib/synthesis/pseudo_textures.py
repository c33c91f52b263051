"""Random surface colours for pseudo-anomalies: plain, or what a small random network makes of the place on the surface.

Networks of sines of the place (compositional pattern-producing networks: Stanley, 2007) yield blotches, folds, weaves
and slow changes, at any scale, sharp or soft. The simulator's anomalies have regular patterns, which these are not.
Shape letters: B frames, N points, K colours, H waves, G mixtures.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lib.views.tensors import Rows

COLORS, WAVES, MIXTURES = 3, 8, 6
FEWEST_WAVES = 3
PLAIN = 0.25


@dataclass(frozen=True, eq=False)
class PseudoTextures(Rows):
    """One random texture per frame; evaluated at positions relative to the object [m].

    wave_BH3 [rad/m] and phase_BH: the waves; mixture_BGH; blend_BKG: how mixtures lead from the first colour to each
    other one, 0 where the colour is plain; sharp_B.
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
        shares_BKN = ((self.blend_BKG * self.sharp_B[:, None, None]) @ mixtures_BGN).sigmoid_()
        shares_BKN = torch.where(self.plain_B[:, None, None], 0.0, shares_BKN)
        first, second, third = self.palette_BK3[..., None].unbind(1)
        return torch.lerp(torch.lerp(first, second, shares_BKN[:, :1]), third, shares_BKN[:, 1:])


def random_textures(extent_B3: Tensor, patterned_B: Tensor, generator: torch.Generator) -> PseudoTextures:
    """Draw textures for objects of the given extents [m]; where `patterned_B`, none is of a plain colour."""
    B, device = len(extent_B3), extent_B3.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=device)

    grey, saturation = uniform(B, COLORS, 1), uniform(B, 1, 1).sqrt()
    size_m_B11 = extent_B3.amax(1).clamp(min=0.3)[:, None, None]
    heard_BH = (uniform(B, WAVES) < 0.2 + 0.6 * uniform(B, 1)) | (torch.arange(WAVES, device=device) < FEWEST_WAVES)
    return PseudoTextures(
        palette_BK3=0.03 + 0.95 * torch.lerp(grey, uniform(B, COLORS, 3), saturation),
        wave_BH3=normal(B, WAVES, 3) * 2.5 * 6.0 ** uniform(B, 1, 1) / size_m_B11,
        phase_BH=2 * torch.pi * uniform(B, WAVES),
        mixture_BGH=1.5 * normal(B, MIXTURES, WAVES) * heard_BH[:, None],
        blend_BKG=normal(B, COLORS - 1, MIXTURES),
        sharp_B=1.5 * 12.0 ** uniform(B),
        plain_B=(uniform(B) < PLAIN) & ~patterned_B,
    )
