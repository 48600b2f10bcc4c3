"""Choose the device and the dtype that suit this machine; torch is imported only where it must be."""

import os
import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Literal

from vocabsem.errors import BadInput

__all__ = [
    "OFFLOAD",
    "DType",
    "available_memory",
    "check_device",
    "has_nvidia",
    "offload_limit",
    "processor_flags",
    "resolve_device",
    "resolve_dtype",
    "visible_gpus",
]

DType = Literal["auto", "float32", "bfloat16"]
OFFLOAD = "offload"
OFFLOADED_SHARE = 0.5  # of the available memory for weights; the rest is for a batch, a copy of the head and the states
UNITS = {"MB": 10**6, "GB": 10**9}


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


def visible_gpus() -> list[str]:
    """Return the GPUs that torch can use in this process, as `CUDA_VISIBLE_DEVICES` names them.

    Returns
    -------
    list of str
        Numbers of GPUs, or what the variable has in their place.

    Examples
    --------
    >>> len(visible_gpus()) >= 0
    True
    """
    if not has_nvidia():
        return []
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return list(map(str, range(count))) if named is None else [name.strip() for name in named.split(",")][:count]


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


def check_device(device: str) -> None:
    """Check a device before a model is loaded.

    Parameters
    ----------
    device : str
        As of `load_model`.

    Raises
    ------
    BadInput
        For a device that torch does not know or that is not there, and an amount of memory that cannot be read.

    Examples
    --------
    >>> check_device("offload:8GB")
    """
    if device in ("auto", "cpu") or offload_limit(device) is not None:
        return
    import torch

    try:
        torch.device(device)
    except RuntimeError:
        raise BadInput(
            f"device is {device!r:.200}: give auto, cpu, cuda or another that torch knows, or offload"
        ) from None
    resolve_device(device)


def resolve_device(device: str = "auto") -> str:
    """Return the device to compute on.

    Parameters
    ----------
    device : str
        A torch device; auto, and offload: the first GPU that torch can use, else the CPU.

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

    if device == "auto" or offload_limit(device) is not None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise BadInput(f"device {device!r} is not available: torch {torch.__version__} has no GPU: use device 'cpu'")
    return device


def offload_limit(device: str) -> int | None:
    """Return the most bytes of weights that a model holds in the machine's memory, where the others lie on the disk.

    Parameters
    ----------
    device : str
        As in cards: `offload`, which takes half of the memory that is available, or `offload:8GB`; or another.

    Returns
    -------
    int or None
        None for a device that holds the whole model.

    Raises
    ------
    BadInput
        For an amount that cannot be read.

    Examples
    --------
    >>> offload_limit("offload:1.5GB"), offload_limit("cuda")
    (1500000000, None)
    """
    name, colon, amount = device.partition(":")
    if name != OFFLOAD:
        return None
    if not colon:
        return int(OFFLOADED_SHARE * available_memory())
    if (match := re.fullmatch(r"(\d+(?:\.\d+)?)(MB|GB)", amount)) is None:
        raise BadInput(f"device {device[:80]!r}: give the memory for weights in MB or GB, as in offload:8GB")
    return int(float(match[1]) * UNITS[match[2]])
