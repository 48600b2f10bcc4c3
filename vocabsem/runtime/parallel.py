"""Run batches in parallel: one core per batch on a CPU, prefetching on a GPU, matrix products and copies to the host.

Nothing here changes a result beyond rounding.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

__all__ = ["MAX_WORKERS", "matmul", "parallel_map", "prefetch", "thread_limits", "to_host", "workers"]

MAX_WORKERS = 8  # threads beyond which they wait for the interpreter lock


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def thread_limits(threads: int, kind: Literal["blas", "openmp"]) -> AbstractContextManager[object]:
    """Limit the threads of numerical libraries until the end of a `with` block; without one, permanently.

    Parameters
    ----------
    threads : int
        Most threads of each library.
    kind : {"blas", "openmp"}
        Which libraries; they are looked up once a process.

    Returns
    -------
    context manager

    Examples
    --------
    >>> import numpy as np
    >>> with thread_limits(1, "blas"):
    ...     product = np.eye(3) @ np.eye(3)
    """
    limits: AbstractContextManager[object] = _libraries().limit(limits=threads, user_api=kind)
    return limits


def workers(device: "torch.device", max_workers: int = MAX_WORKERS) -> int:
    """Return how many batches run at a time on a device.

    Parameters
    ----------
    device : torch.device
        Where they compute.
    max_workers : int
        Most batches at a time on a CPU.

    Returns
    -------
    int

    Examples
    --------
    >>> import torch
    >>> workers(torch.device("cuda"))
    1
    """
    import torch

    return min(torch.get_num_threads(), max_workers) if device.type == "cpu" else 1


@contextmanager
def parallel_map(device: "torch.device", max_workers: int = MAX_WORKERS) -> Iterator[Callable[..., Iterator[Any]]]:
    """Yield a `map` that gives each core of a CPU a call of its own, or on a GPU starts a call ahead.

    Threads that share one call wait for each other at every operation, which for a batch of short prompts costs a
    quarter of the time. Calls that have not started are cancelled when the block ends.

    Parameters
    ----------
    device : torch.device
        Where the calls compute.
    max_workers : int
        Most calls at a time on a CPU.

    Yields
    ------
    callable
        As `map`: results in order.

    Examples
    --------
    >>> import torch
    >>> with parallel_map(torch.device("cpu")) as map_:
    ...     list(map_(abs, [-1, 2]))
    [1, 2]
    """
    import torch

    cores = workers(device, max_workers)
    if cores == 1:
        yield map if device.type == "cpu" else prefetch
        return
    share = torch.get_num_threads() // cores

    def start() -> None:
        torch.get_num_threads()  # a new thread takes torch's setting at its first use, and keeps it only then
        thread_limits(share, "openmp")

    pool = ThreadPoolExecutor(cores, "batch", initializer=start)
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)


def prefetch(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """Map as `map` does, making the next call before a result is yielded.

    Parameters
    ----------
    function : callable
        Of one item.
    items : iterable
        What it is called with.

    Yields
    ------
    result
        In order.

    Examples
    --------
    >>> list(prefetch(abs, [-1, 2]))
    [1, 2]
    """
    results = map(function, items)
    for before in results:
        for result in results:
            yield before
            before = result
        yield before


def matmul(a: "Tensor", b: "Tensor", out: "Tensor | None" = None) -> "Tensor":
    """Return a @ b of matrices or stacks of them, by the faster library.

    On a CPU NumPy multiplies float32 and float64: its products use all that the processor has, where torch's know one
    maker's only, and take half as long for aᵀa. Limit its threads: they spin when they have nothing to do.

    Parameters
    ----------
    a : Tensor of shape (..., N, d)
        Left factor.
    b : Tensor of shape (..., d, M)
        Right factor, of the same dtype and device.
    out : Tensor of shape (..., N, M), optional
        Where the product is written.

    Returns
    -------
    Tensor of shape (..., N, M)

    Examples
    --------
    >>> import torch
    >>> matmul(torch.eye(2), torch.ones(2, 1)).tolist()
    [[1.0], [1.0]]
    """
    import numpy as np
    import torch

    if a.device.type != "cpu" or a.dtype not in (torch.float32, torch.float64):
        return torch.matmul(a, b, out=out)
    with np.errstate(all="ignore"):  # as torch does: the caller checks the product
        return torch.from_numpy(np.matmul(a.numpy(), b.numpy(), out=None if out is None else out.numpy()))


def to_host(vectors: "Tensor") -> "Callable[[], np.ndarray]":
    """Start to copy a tensor to the host.

    Parameters
    ----------
    vectors : Tensor
        Of a dtype that NumPy has.

    Returns
    -------
    callable
        Waits for the copy and returns it as an ndarray.

    Examples
    --------
    >>> import torch
    >>> to_host(torch.zeros(1))().tolist()
    [0.0]
    """
    import torch

    if vectors.device.type != "cuda":
        return vectors.cpu().numpy
    host = torch.empty(vectors.shape, dtype=vectors.dtype, pin_memory=True).copy_(vectors, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record()

    def wait() -> np.ndarray:
        copied.synchronize()
        return host.numpy()

    return wait
