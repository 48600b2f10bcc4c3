"""Batches on a processor and on a GPU: a core a batch, attention in few products, products by who is fastest, copies
that no one waits for.

Nothing here changes a result beyond rounding.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from vocabsem.malloc import keep_freed_memory

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel

NAME = "few_products"
SHORT = 128  # keys up to which a softmax in float32 is the faster: bfloat16's falls back to single numbers at row ends
LONG = 1024  # tokens beyond which the scores of all pairs would take too much memory; up to there they are the faster
MOST_WORKERS = 8  # threads between which Python itself is not yet what they wait for


def use_fast_attention(network: "PreTrainedModel") -> None:
    """Give a model on a processor the attention of this file, where its own is plain causal attention."""
    from transformers import AttentionInterface, AttentionMaskInterface

    keep_freed_memory()
    config = network.config.get_text_config()
    windowed = getattr(config, "sliding_window", None) or getattr(config, "attn_logit_softcapping", None)
    if getattr(config, "num_key_value_heads", None) and not windowed and network.config._attn_implementation == "sdpa":
        AttentionInterface.register(NAME, attention)
        AttentionMaskInterface.register(NAME, lambda *_, **__: None)  # it knows its mask: causal, padding on the right
        network.set_attn_implementation(NAME)


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def thread_limits(threads: int, kind: Literal["blas", "openmp"]) -> AbstractContextManager[object]:
    """At most so many threads, from now to the end of a `with`; without one, for good. Libraries are found once."""
    limits: AbstractContextManager[object] = _libraries().limit(limits=threads, user_api=kind)
    return limits


def workers(device: "torch.device", most: int = MOST_WORKERS) -> int:
    """How many batches run at a time."""
    import torch

    return min(torch.get_num_threads(), most) if device.type == "cpu" else 1


@contextmanager
def parallel_map(device: "torch.device", most: int = MOST_WORKERS) -> Iterator[Callable[..., Iterator[Any]]]:
    """A `map` that gives each core of a processor a call of its own; on a GPU one that begins a call before it hands
    out the one before, so that the GPU is never without work.

    Threads that share one call wait for each other at every operation, which for a batch of short prompts costs a
    quarter of the time. What is left over is cancelled when the block ends.
    """
    import torch

    cores = workers(device, most)
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
    """`map` whose next call is made before a result is yielded."""
    results = map(function, items)
    for before in results:
        for result in results:
            yield before
            before = result
        yield before


def matmul(a: "Tensor", b: "Tensor", out: "Tensor | None" = None) -> "Tensor":
    """a @ b of matrices or stacks of them. On a processor NumPy multiplies float32 and float64: its products use all
    that the processor has, where torch's know one maker's only, and take half as long for aᵀa. Limit its threads:
    they spin when they have nothing to do.
    """
    import numpy as np
    import torch

    if a.device.type != "cpu" or a.dtype not in (torch.float32, torch.float64):
        return torch.matmul(a, b, out=out)
    with np.errstate(all="ignore"):  # as torch does: who multiplies looks at what came out
        return torch.from_numpy(np.matmul(a.numpy(), b.numpy(), out=None if out is None else out.numpy()))


def to_host(vectors: "Tensor") -> "Callable[[], np.ndarray]":
    """Begin to copy to the processor's memory; the function returned waits for the copy and gives it."""
    import torch

    if vectors.device.type != "cuda":
        return vectors.cpu().numpy
    host = torch.empty(vectors.shape, dtype=vectors.dtype, pin_memory=True).copy_(vectors, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record()

    def arrived() -> np.ndarray:
        copied.synchronize()
        return host.numpy()

    return arrived


def attention(
    module: Any, query: "Tensor", key: "Tensor", value: "Tensor", mask: None, scaling: float, **_: Any
) -> "tuple[Tensor, None]":
    """Causal attention of the last T of S tokens: query (B, H, T, e), key and value (B, G, S, e) → (B, T, H, e).

    The H/G heads that share a key stand below each other, so that no key is copied; two products a group, and the mask
    is what the first adds to.
    """
    import torch

    (rows, heads, length, size), (groups, total) = query.shape, key.shape[1:3]
    if length == total > LONG:
        found = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=scaling, enable_gqa=heads != groups
        )
        return found.transpose(1, 2).contiguous(), None
    hidden = torch.full((length, total), float("-inf"), dtype=query.dtype, device=query.device).triu(total - length + 1)
    stacked = query.reshape(rows * groups, -1, size)  # (B·G, H/G·T, e)
    scores = torch.baddbmm(
        hidden.repeat(heads // groups, 1), stacked, key.reshape(rows * groups, total, size).mT, alpha=scaling
    )
    exact = torch.float32 if total < SHORT else None
    weights = scores.softmax(-1, dtype=exact).to(query.dtype)
    found = torch.bmm(weights, value.reshape(rows * groups, total, size))
    return found.view(rows, heads, length, size).transpose(1, 2).contiguous(), None
