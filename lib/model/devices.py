"""Choice of the device and precision."""

import os
from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import Literal

import torch

from lib.common.errors import ParamsError

Precision = Literal["float32", "bfloat16"]


def choose_device(wanted: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Return the device; raises ParamsError if "cuda" is wanted but not available."""
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ParamsError(
            "execution.device: got 'cuda', but torch finds no CUDA device here; use auto or cpu, or check the driver"
        )
    return torch.device("cuda" if wanted != "cpu" and available else "cpu")


def choose_precision(wanted: Literal["auto", "float32", "bfloat16"], device: torch.device) -> Precision:
    """Return the precision of matrix products; `auto` is bfloat16 if the device has native support, else float32."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    # Ask oneDNN, which computes it: torch.cpu._is_avx512_bf16_supported() ignores ONEDNN_MAX_CPU_ISA.
    has_onednn = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    fast = has_onednn and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bfloat16" if fast else "float32"


def choose_compiled(wanted: Literal["auto", "off"], device: torch.device) -> bool:
    """Return whether to use torch.compile: on CUDA with Triton installed, unless `off`."""
    return wanted == "auto" and device.type == "cuda" and find_spec("triton") is not None


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """Context in which the network computes in the given precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def make_deterministic(seed: int) -> None:
    """Seed torch, and set cuBLAS's workspace so that its products are reproducible."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.manual_seed(seed)
