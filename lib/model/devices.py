"""Choice of the device and precision."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from typing import Literal

import torch

from lib.common.errors import ParamsError, TrainingError

Precision = Literal["float32", "bfloat16"]


def choose_device(
    wanted: Literal["auto", "cpu", "cuda"], number: int = 0, option: str = "execution.device"
) -> torch.device:
    """Return the device, on CUDA the GPU of this number; asking for CUDA where there is none raises ParamsError.

    `option`: where the user asks for it.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ParamsError(
            f"{option}: got 'cuda', but torch finds no CUDA device here; use auto or cpu, or check the driver"
        )
    return torch.device("cuda", number) if wanted != "cpu" and available else torch.device("cpu")


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


@contextmanager
def compiler_errors() -> Iterator[None]:
    """Turn an error of torch.compile's into a TrainingError that says how to do without it."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith("torch._dynamo"):
            raise
        reason = " ".join(str(error).split())[:300]
        raise TrainingError(f"torch.compile failed ({reason}); set execution.compile=off") from None


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """Context in which the network computes in the given precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def make_deterministic(seed: int) -> None:
    """Seed torch, and set cuBLAS's workspace so that its products are reproducible."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.manual_seed(seed)
