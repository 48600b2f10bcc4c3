"""Choose the device and the dtype that suit this machine; torch is imported only where it must be."""

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Literal

from vocabsem.errors import BadInput

__all__ = ["DType", "available_memory", "has_nvidia", "processor_flags", "resolve_device", "resolve_dtype"]

DType = Literal["auto", "float32", "bfloat16"]


@cache
def processor_flags() -> frozenset[str]:
    """Return the processor's features as Linux names them (`avx512_bf16`, `amx_bf16`).

    Returns
    -------
    frozenset of str
        Empty on other systems.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").partition(":")[2].split())


def available_memory() -> int:
    """Return the bytes of memory that this process can still take: of the machine, and of its container.

    Returns
    -------
    int

    Examples
    --------
    >>> available_memory() > 0
    True
    """
    import psutil

    free = [psutil.virtual_memory().available]
    group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):  # of another system, or without a limit
        free.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return int(max(0, min(free)))


def has_nvidia() -> bool:
    """Return whether an NVIDIA driver is loaded.

    Returns
    -------
    bool

    Examples
    --------
    >>> has_nvidia() in (True, False)
    True
    """
    return Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidia0").exists()


def resolve_dtype(dtype: DType) -> Literal["float32", "bfloat16"]:
    """Return the dtype to compute in.

    Parameters
    ----------
    dtype : {"auto", "float32", "bfloat16"}
        auto: bfloat16 where the processor or the GPU multiplies it natively, float32 elsewhere.

    Returns
    -------
    {"float32", "bfloat16"}

    Examples
    --------
    >>> resolve_dtype("float32")
    'float32'
    """
    if dtype != "auto":
        return dtype
    native = has_nvidia() or processor_flags() & {"amx_bf16", "avx512_bf16"}
    return "bfloat16" if native else "float32"


def resolve_device(device: str = "auto") -> str:
    """Return the device to compute on.

    Parameters
    ----------
    device : str
        A torch device; auto: the first GPU that torch can use, else the CPU.

    Returns
    -------
    str

    Raises
    ------
    BadInput
        For a GPU where torch can use none.

    Examples
    --------
    >>> resolve_device("cpu")
    'cpu'
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise BadInput(f"device {device!r} is not available: torch {torch.__version__} has no GPU: use device 'cpu'")
    return device
