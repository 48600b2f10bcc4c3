"""Extraction against the matrix products it is made of, and against the ways others run the same prompts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from unittest.mock import patch

import torch

from benchmarks import MODEL, Row, Setting, best_of
from vocabsem.cards.loader import load_card
from vocabsem.models.checkpoints import fetch_checkpoint
from vocabsem.models.language_model import LanguageModel
from vocabsem.runtime.parallel import parallel_map, workers
from vocabsem.states.batching import padded, shared_tokens
from vocabsem.states.extraction import extract

ROWS = 384
RUNS = 3
BATCH = 16


def measure(setting: Setting) -> Iterator[Row]:
    model, prompts = setting.model, setting.prompts(ROWS)
    extract(model, prompts[:64], [model.layers])
    yield against_the_peak(model, prompts)
    yield from against_others(setting, prompts)
    yield with_threads_apart(setting)
    one, every = best_of(
        RUNS, lambda: extract(model, prompts, [model.layers]), lambda: extract(model, prompts, range(model.layers + 1))
    )
    yield Row(f"all {model.layers + 1} layers stored", every, "one layer", one, "s", "≤ 1.15")


def with_threads_apart(setting: Setting) -> Row:
    model, prompts = setting.model, setting.prompts(ROWS // 2)

    def together() -> None:
        with patch("vocabsem.states.extraction.parallel_map", lambda _: nullcontext(map)):
            extract(model, prompts, [model.layers])

    ours, theirs = best_of(RUNS, lambda: extract(model, prompts, [model.layers]), together)
    return Row("extraction, a batch on each core", ours, "all cores on each batch", theirs, "s", "")


def against_the_peak(model: LanguageModel, prompts: Sequence[Sequence[int]]) -> Row:
    seconds, *products = best_of(RUNS, lambda: extract(model, prompts, [model.layers]), *matrix_products(model.dtype))
    peak = max(PRODUCTS * 2 * SIDE**3 / each for each in products)
    name = f"extraction, zero-shot prompts of {sum(map(len, prompts)) / len(prompts):.0f} tokens"
    return Row(
        name, operations(model, prompts) / seconds / 1e9, f"{model.dtype} product", peak / 1e9, "GFLOP/s", "≥ 0.6"
    )


def operations(model: LanguageModel, prompts: Sequence[Sequence[int]]) -> float:
    """Count operations: two for each weight beside the embedding and token, and attention to the tokens before.

    The prefix that all prompts share counts once.
    """
    config = model.network.config.get_text_config()
    embeddings = {id(module.weight) for module in (model.network.get_input_embeddings(), model.network.lm_head)}
    weights = sum(each.numel() for each in model.network.parameters() if id(each) not in embeddings)
    shared = len(shared_tokens(prompts))
    tokens = sum(map(len, prompts)) - (len(prompts) - 1) * shared
    pairs = sum(len(prompt) * (len(prompt) + 1) / 2 for prompt in prompts) - (len(prompts) - 1) * shared**2 / 2
    width = config.num_attention_heads * (
        getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    )
    return 2.0 * weights * tokens + 4.0 * config.num_hidden_layers * width * pairs


SIDE, PRODUCTS = 2048, 128  # about as long as the extraction, so that both see the same machine


def matrix_products(dtype: str) -> list[Callable[[], object]]:
    """Return the same square products by all cores together, and by each core for itself."""
    a, b = (torch.randn(SIDE, SIDE).to(getattr(torch, dtype)) for _ in range(2))
    cpu = torch.device("cpu")

    def together() -> None:
        for _ in range(PRODUCTS):
            a @ b

    def apart() -> None:
        share = PRODUCTS // workers(cpu)
        with parallel_map(cpu) as each:
            list(each(lambda _: [a @ b for _ in range(share)], range(workers(cpu))))

    return [together, apart]


def against_others(setting: Setting, prompts: Sequence[Sequence[int]]) -> Iterator[Row]:
    """Yield prompts per second. The slower a baseline, the fewer prompts it runs, of the same mix of lengths."""
    folder = fetch_checkpoint(load_card("models", MODEL), setting.home.cache)[0]
    model = setting.model
    baselines: list[tuple[str, str, int, Callable[[], object]]] = []
    for dtype, alone, batched in (("float32", "≥ 10", "≥ 6"), (model.dtype, "", "≥ 2")):
        if (dtype, alone) != ("float32", ""):
            few, some = prompts[::12], prompts[::6]
            network = stock(folder, dtype)
            baselines += [
                (f"one at a time, all states and logits, {dtype}", alone, len(few), one_at_a_time(network, few)),
                (f"padded batches of {BATCH}, all states, {dtype}", batched, len(some), by_batches(network, some)),
            ]
    if find_spec("sentence_transformers"):
        half = setting.texts(ROWS)[::2]
        baselines.append(("sentence-transformers encode", "≥ 1.5", len(half), encoder(folder, model.dtype, half)))
    works = [work for *_, work in baselines]
    ours, *theirs = best_of(RUNS, lambda: extract(model, prompts, [model.layers]), *works)
    for (baseline, wanted, rows, _), seconds in zip(baselines, theirs, strict=True):
        yield Row(f"extraction, {model.dtype}", len(prompts) / ours, baseline, rows / seconds, "prompts/s", wanted)


def stock(folder, dtype: str):
    """Load the model as transformers does."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype), local_files_only=True).eval()


def one_at_a_time(network, prompts: Sequence[Sequence[int]]) -> Callable[[], object]:
    def run() -> list[torch.Tensor]:
        with torch.inference_mode():
            outputs = (network(torch.tensor([ids]), output_hidden_states=True) for ids in prompts)
            return [output.hidden_states[-1][0, -1] for output in outputs]

    return run


def by_batches(network, prompts: Sequence[Sequence[int]]) -> Callable[[], object]:
    """Run the body alone, no logits; prompts in the order they come."""

    def run() -> list[torch.Tensor]:
        states = []
        with torch.inference_mode():
            for start in range(0, len(prompts), BATCH):
                ids, lengths = padded(prompts[start : start + BATCH], network.device)
                mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
                layers = network.base_model(ids, attention_mask=mask, output_hidden_states=True).hidden_states
                states.append(layers[-1][torch.arange(len(ids)), lengths - 1])
        return states

    return run


def encoder(folder, dtype: str, texts: list[str]) -> Callable[[], object]:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    body = Transformer(str(folder), model_kwargs={"dtype": getattr(torch, dtype)})
    body.tokenizer.pad_token = body.tokenizer.pad_token or body.tokenizer.eos_token
    pooling = Pooling(body.get_embedding_dimension(), pooling_mode="lasttoken")
    network = SentenceTransformer(modules=[body, pooling], device="cpu")
    return lambda: network.encode(texts, show_progress_bar=False)
