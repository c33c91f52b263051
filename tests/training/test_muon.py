"""Muon: what its steps are, and that they train."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.training.muon import Muon, orthogonalized


def random_matrices(*shapes: tuple[int, int]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=generator) for shape in shapes]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 100), st.floats(1e-6, 1e6))
def test_singular_vectors_stay_and_singular_values_become_one(rows, columns, seed, scale):
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    [result] = orthogonalized([matrix * scale])
    u, values, v = torch.linalg.svd(matrix, full_matrices=False)
    clear = values > 0.02 * values[0]
    along = (u.T @ result @ v.T).diagonal()
    assert ((along > 0.6) & (along < 1.25))[clear].all()
    off = u.T @ result @ v.T - torch.diag(along)
    assert off.abs().max() < 0.05


def test_matrices_do_not_disturb_each_other():
    matrices = random_matrices((8, 30), (8, 12), (30, 8), (5, 5), (8, 30))
    for alone, together in zip(matrices, orthogonalized(matrices), strict=True):
        torch.testing.assert_close(orthogonalized([alone])[0], together)
        assert together.shape == alone.shape


def test_a_zero_gradient_moves_nothing_but_decay():
    kernel = torch.nn.Parameter(torch.ones(4, 2, 3, 3))
    kernel.grad = torch.zeros_like(kernel)
    Muon([kernel], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(kernel.detach(), torch.full_like(kernel, 0.95))


def test_what_has_no_gradient_stays():
    kernel = torch.nn.Parameter(torch.ones(4, 2, 3, 3))
    Muon([kernel], lr=0.1, weight_decay=0.5).step()
    assert (kernel == 1).all()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_kernels_learn_whatever_their_memory_format(memory_format):
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(16, 3, 8, 8, generator=generator)
    wanted = torch.randn(6, 3, 3, 3, generator=generator) * 0.2
    target = torch.nn.functional.conv2d(images, wanted)
    kernel = torch.nn.Parameter(torch.zeros(6, 3, 3, 3).to(memory_format=memory_format))
    optimizer = Muon([kernel], lr=0.05, weight_decay=0.0)
    for step in range(60):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 60)
        optimizer.zero_grad()
        loss = (torch.nn.functional.conv2d(images, kernel) - target).square().mean()
        loss.backward()
        optimizer.step()
    assert loss < 0.02 * target.square().mean()
    assert kernel.is_contiguous(memory_format=memory_format)
