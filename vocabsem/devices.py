"""Which device and number format suit this machine. Nothing here imports torch unless it must."""

from functools import cache
from pathlib import Path
from typing import Literal

from vocabsem.errors import BadInput

DType = Literal["auto", "float32", "bfloat16"]


@cache
def processor_flags() -> frozenset[str]:
    """What the processor can do, as Linux names it (`avx512_bf16`, `amx_bf16`); empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").partition(":")[2].split())


def has_nvidia() -> bool:
    return Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidia0").exists()


def resolve_dtype(dtype: DType) -> Literal["float32", "bfloat16"]:
    """`auto` is bfloat16 where the processor or the GPU multiplies it natively, float32 elsewhere."""
    if dtype != "auto":
        return dtype
    native = has_nvidia() or processor_flags() & {"amx_bf16", "avx512_bf16"}
    return "bfloat16" if native else "float32"


def resolve_device(device: str = "auto") -> str:
    """`auto` is the first GPU that torch can use, else the processor. Raises BadInput for one that is absent."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise BadInput(f"device {device!r} was asked for, but torch {torch.__version__} sees no GPU: use device 'cpu'")
    return device
