"""A prompt under the lens: the model from the cache, anchors from the lake, texts of a data set where one is named."""

import math
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from tasks.models.loaded import inference, label_ids, loaded_causal, require_causal, tokenizing
from tasks.steps.specs import AnchorsSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.errors import BadInput
from vocabsem.models.checkpoints import fetch_checkpoint
from vocabsem.prompts.prompting import Ids, encode_prompts, encode_texts
from vocabsem.runtime.devices import resolve_dtype
from vocabsem.states.extraction import check_head, extract
from vocabsem.vocabulary.frequency import frequency_direction, project_out
from vocabsem.vocabulary.lens import LensScores, anchor_lens, apply_final_norm, logit_lens
from vocabsem.vocabulary.undertrained import undertrained
from warehouse.catalog import reads
from warehouse.home import Home
from warehouse.lake.partition import Lake
from warehouse.lake.store import store_of
from warehouse.lake.vectors import matrix

CENTERING_TEXTS = 64  # training texts whose mean state is subtracted
TOP_TOKENS = 4  # the model's likeliest next tokens, which stand for label words where there are none
ROUNDING = 1e-4  # of a state's length: a shorter difference from the mean is rounding


@dataclass(frozen=True)
class LensResult:
    """A prompt and what each layer holds of it, layer 0 (the embedding) first; all of it plain values."""

    model: str
    prompt: str
    label: str | None
    words: list[str]
    centered_on: int
    """Number of training texts whose mean state was subtracted; 0 for none."""
    solved: bool
    """Whether the anchors were solved for this call, because none were stored."""
    tokens: int
    """Size of the vocabulary."""
    hidden: int
    """Number of under-trained tokens that are not among the nearest anchors."""
    without_frequency: bool
    """Whether the direction of token frequency was projected out of states and anchors."""
    layers: list[dict[str, Any]]


def inspect_prompt(
    home: Home,
    model: ModelCard,
    text: str | None,
    dataset: DatasetCard | None,
    example: str | None,
    *,
    k: int,
    center: bool,
    hide: float = 0.0,
    project_frequency: bool = False,
    device: str = "auto",
) -> LensResult:
    """Compare the state of a prompt's last token at every layer with the anchors and the head.

    A data set gives template and label words, and, with `center`, the mean state of its stored training texts. Without
    one the text is the prompt. k: number of nearest tokens of each layer. hide: share of the vocabulary that is not
    among the nearest anchors, as under-trained. project_frequency: compare states and anchors without the direction of
    token frequency; the model's own predictions keep it. device: of the model, as cards have it.

    Raises BadInput for a model that is not causal, an example that is not stored, a text that is empty, too long or not
    all of an example, and a share outside [0, 1).
    """
    require_causal(model, "the lens")
    if not 0 <= hide < 1:
        raise BadInput(f"--hide {hide}: give a share of the vocabulary, from 0 (none) to below 1")
    fields, label = _fields(home, text, dataset, example)
    has_catalog = store_of(home).has(home.catalog)  # first: nothing is computed for a bucket that cannot be used
    background = (
        reads.training_fields(home, dataset.name, CENTERING_TEXTS) if has_catalog and dataset and center else []
    )
    stored, solved = _anchors(home, model, device)
    names, anchors = stored["token"].to_pylist(), torch.from_numpy(matrix(stored["anchor"]).copy())
    hidden = undertrained(stored["leverage"].to_numpy(), stored["head_norm"].to_numpy(), hide)
    prompt, ids, others = _prompts(home, model, dataset, fields, background)
    with inference():
        network = loaded_causal(model, home, resolve_dtype("auto"), device)
        check_head(network, [ids])
        states = extract(network, [ids, *others], range(network.layers + 1))
        vectors = apply_final_norm(network, {int(layer): rows for layer, rows in states.items()})
        logits = network.head.logits(torch.stack([each[0] for each in vectors.values()]))[:, : len(names)]
    if project_frequency:
        direction = frequency_direction(anchors)
        anchors = project_out(anchors, direction)
        vectors = {layer: project_out(each, direction) for layer, each in vectors.items()}
    plain = torch.stack([each[0] for each in vectors.values()])  # (L + 1, d)
    tokens = label_ids(model, dataset, home) if dataset else [[i] for i in logits[-1].topk(TOP_TOKENS).indices.tolist()]
    words = dataset.label_words if dataset else [names[ids[0]] for ids in tokens]
    readings = {"nearest": anchor_lens(plain, anchors, tokens, k, hidden), "model": logit_lens(logits, tokens, k)}
    if others:
        means = torch.stack([each[1:].mean(0) for each in vectors.values()])
        readings["centered"] = anchor_lens(_centered(plain, means), anchors, tokens, k)
    layers = [_layer(layer, row, readings, names, words) for row, layer in enumerate(vectors)]
    shown = (len(names), int(hidden.sum()), project_frequency)
    return LensResult(model.name, prompt, label, words, len(others), solved, *shown, layers)


def _fields(home: Home, text: str | None, dataset: DatasetCard | None, example: str | None) -> tuple[Any, str | None]:
    """Return what fills the template, or the text itself; and the true class of a stored example."""
    if example is not None:
        assert dataset is not None
        stored = reads.example(home, dataset.name, example)
        if stored is None:
            raise BadInput(
                f"no example {example!r} of data set {dataset.name!r} is stored: `vocabsem sql 'from examples'`"
            )
        return stored
    if text is None or not text.strip():
        raise BadInput("the text is empty: give at least one word, or --example with an id")
    if dataset is None:
        return text, None
    if len(dataset.fields) > 1:
        raise BadInput(
            f"an example of data set {dataset.name!r} has the fields {', '.join(dataset.fields)}, not one text: give"
            " --example with an id"
        )
    return dict.fromkeys(dataset.fields, text), None


def _anchors(home: Home, model: ModelCard, device: str) -> tuple[pa.Table, bool]:
    """Return the stored anchors, a row a token, and whether they were solved now."""
    _, digest = fetch_checkpoint(model, home.cache)
    step = Step(AnchorsSpec(model=model.name, digest=digest, gauge="raw"))
    partition = step.partition(Lake(home))
    missing = not partition.published
    if missing:
        from tasks.anchors import build_anchors  # imports Prefect, which stored anchors do without

        build_anchors.fn(home, model, step, device)
    return partition.table(columns=["token", "leverage", "head_norm", "anchor"]), missing


def _prompts(
    home: Home, model: ModelCard, dataset: DatasetCard | None, fields: Any, background: list[dict[str, str]]
) -> tuple[str, Ids, list[Ids]]:
    """Return the prompt's text, its ids, and those of the background's prompts."""
    with tokenizing(model, home) as tokenizer:
        if dataset is not None:
            rows, limit = [fields, *background], model.max_tokens
            prompts = encode_prompts(tokenizer, dataset.template, rows, max_tokens=limit, prepend_bos=model.prepend_bos)
            return prompts.texts[0], prompts.token_ids[0], prompts.token_ids[1:]
        ids = [tokenizer.bos_token_id] if model.prepend_bos else []
        ids += encode_texts(tokenizer, [fields], split_special_tokens=False)[0]
    if len(ids) > model.context:
        raise BadInput(f"the text is {len(ids)} tokens, {model.name!r} takes at most {model.context}: shorten it")
    return fields, ids, []


def _centered(states: Tensor, means: Tensor) -> Tensor:
    """Subtract the means; NaN where only rounding remains, as at a token that all prompts share."""
    rest = states - means
    constant = rest.norm(dim=1) < ROUNDING * states.norm(dim=1)
    return rest.masked_fill(constant[:, None], math.nan)


def _layer(layer: int, row: int, readings: dict[str, LensScores], names: list[str], words: list[str]) -> dict[str, Any]:
    nearest, own, centered = readings["nearest"], readings["model"], readings.get("centered")

    def best(reading: LensScores) -> list[tuple[str, float]]:
        ids, scores = reading.ids[row].tolist(), reading.scores[row].tolist()
        return [(names[token], score) for token, score in zip(ids, scores, strict=True)]

    def of_word(reading: LensScores | None, column: int) -> tuple[float | None, int | None]:
        value = math.nan if reading is None else float(reading.word_scores[row, column])
        return (None, None) if reading is None or math.isnan(value) else (value, int(reading.word_ranks[row, column]))

    of_words = []
    for column, word in enumerate(words):
        values = {}
        for name, reading in (("cosine", nearest), ("centered", centered), ("log_probability", own)):
            values[name], values[f"{name}_rank"] = of_word(reading, column)
        of_words.append({"word": word, **values})
    return {
        "layer": layer,
        "nearest": [{"token": token, "cosine": score} for token, score in best(nearest)],
        "model": [{"token": token, "probability": math.exp(score)} for token, score in best(own)],
        "words": of_words,
    }
