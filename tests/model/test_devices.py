import pytest
import torch

from lib.common.errors import ParamsError
from lib.model.devices import choose_device, choose_precision

CPU = torch.device("cpu")


def test_a_stated_precision_is_kept():
    assert choose_precision("float32", CPU) == "float32"
    assert choose_precision("bfloat16", CPU) == "bfloat16"
    assert choose_precision("auto", CPU) in ("float32", "bfloat16")


def test_cpu_is_always_there():
    assert choose_device("cpu") == CPU


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_where_there_is_none_is_an_error():
    with pytest.raises(ParamsError, match=r"execution\.device: got 'cuda'.*use auto or cpu"):
        choose_device("cuda")
    assert choose_device("auto") == CPU
