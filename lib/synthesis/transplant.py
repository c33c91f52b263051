"""Transplants: normal objects of one frame pasted into another, in both sensors. Only their place is unusual."""

from dataclasses import replace

import torch
from torch import Tensor

from lib.synthesis.objects import OBJECT_CLASSES, choose_cells, class_mask, class_rarity, same_object
from lib.views.range_view import Views, columns_aside, rolled

MAX_DISTANCE_M = 30.0


def transplant(views: Views, wanted_B: Tensor, generator: torch.Generator) -> Views:
    """Paste an object of the previous frame of the batch at the same position, unless something nearer hides it.

    `wanted_B`: frames that receive one. Class labels are copied too; the brightness is adapted to the receiving frame.
    """
    donor = rolled(views, 1)
    near = donor.has_return_BRC & (donor.range_m_BRC < MAX_DISTANCE_M)
    candidates = class_mask(donor.point_class_BRC, OBJECT_CLASSES) & near
    seed_B, found_B = choose_cells(candidates * class_rarity(donor.point_class_BRC), generator)
    class_B = donor.point_class_BRC.flatten(1).gather(1, seed_B[:, None]).squeeze(1)
    seed_xyz_B3 = donor.xyz_B3RC.flatten(2).gather(2, seed_B[:, None, None].expand(-1, 3, 1)).squeeze(2)
    active_B11 = (wanted_B & found_B)[:, None, None]

    def belongs(x: Tensor, y: Tensor, class_ids: Tensor) -> Tensor:
        return same_object(x, y, class_ids, seed_xyz_B3, class_B) & active_B11

    offset_x, offset_y, _ = views.lidar_offset_m_B3[:, :, None, None].unbind(1)
    surface_y = torch.addcmul(-offset_y, columns_aside(donor)[:, None], donor.depth_m_BHW)
    pixels = belongs(donor.depth_m_BHW - offset_x, surface_y, donor.pixel_class_BHW)
    pixels &= donor.depth_m_BHW < views.depth_m_BHW
    hidden = views.has_return_BRC & (views.range_m_BRC <= donor.range_m_BRC)
    cells = belongs(donor.xyz_B3RC[:, 0], donor.xyz_B3RC[:, 1], donor.point_class_BRC)
    cells &= donor.has_return_BRC & ~hidden
    gain = (brightness(views) / brightness(donor)).clamp(0.3, 3.0)
    image = torch.where(pixels[:, None], (donor.image_B3HW * gain).clamp(0, 1), views.image_B3HW)
    return replace(
        views,
        image_B3HW=image,
        depth_m_BHW=torch.where(pixels, donor.depth_m_BHW, views.depth_m_BHW),
        pixel_class_BHW=torch.where(pixels, donor.pixel_class_BHW, views.pixel_class_BHW),
        xyz_B3RC=torch.where(cells[:, None], donor.xyz_B3RC, views.xyz_B3RC),
        range_m_BRC=torch.where(cells, donor.range_m_BRC, views.range_m_BRC),
        intensity_BRC=torch.where(cells, donor.intensity_BRC, views.intensity_BRC),
        point_class_BRC=torch.where(cells, donor.point_class_BRC, views.point_class_BRC),
    )


def brightness(views: Views) -> Tensor:
    """Mean brightness (B, 1, 1, 1) of the images' lower halves."""
    H = views.image_B3HW.shape[2]
    return views.image_B3HW[:, :, H // 2 :].mean(dim=(1, 2, 3), keepdim=True).clamp(min=0.02)
