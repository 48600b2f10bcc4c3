"""States of all tokens of training and test texts, anchors and words of the vocabulary, the model's head."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tasks.models.loaded import inference, loaded_causal, tokenizing
from tasks.steps.token_reads import TokenRows
from tasks.studies.inputs import Inputs
from vocabsem.instruments.base import Item, StudyResult, Value
from vocabsem.instruments.dictionary import Settings, TokenStates, dictionary_study
from vocabsem.instruments.dictionary_features import TokenVocabulary
from vocabsem.instruments.sae_layout import ARCHITECTURES, sae_file
from vocabsem.states.batching import shared_tokens

SPLITS = ("train", "test")


def measure(inputs: Inputs) -> StudyResult:
    """Train dictionaries on each layer, and measure them."""
    spec, anchors, words = inputs.spec, inputs.vocabulary[1], _words(inputs)
    read = {name: {split: inputs.stored_tokens(name, split) for split in SPLITS} for name in inputs.datasets}
    for name in inputs.datasets:
        for layer, states in read[name]["train"].states.items():
            inputs.require_anchor_width(layer, states)
    settings = Settings(**(spec.params | {"shots": tuple(spec.params["shots"])}))
    values: list[Value] = []
    items: list[Item] = []
    files: dict[str, bytes] = {}
    for layer in spec.layers:
        train, test = ({name: _of(splits[split], layer) for name, splits in read.items()} for split in SPLITS)
        head = _log_probabilities(inputs) if layer == inputs.model.layers else None
        vocabulary = TokenVocabulary(anchors, words, head)
        result, trained = dictionary_study(layer, train, test, vocabulary, settings, inputs.sampling)
        values, items = [*values, *result.values], [*items, *result.items]
        for name in ARCHITECTURES:
            files[f"{name}-layer-{layer}.safetensors"] = sae_file(trained[name], inputs.model.source, layer)
    return StudyResult(tuple(values), tuple(items), files)


def _of(rows: TokenRows, layer: int) -> TokenStates:
    """Return the tokens after those that all prompts begin with; the first one, whose state is far from all, aside."""
    prompts = np.split(rows.token, np.flatnonzero(np.diff(rows.text)) + 1)
    kept = rows.position >= max(1, len(shared_tokens([prompt.tolist() for prompt in prompts])))
    return TokenStates(rows.states[layer][kept], rows.text[kept], rows.token[kept], rows.labels)


def _words(inputs: Inputs) -> list[str]:
    """Return every token as text."""
    rows = [[row] for row in range(len(inputs.vocabulary[0]))]
    with tokenizing(inputs.model, inputs.home) as tokenizer:
        return [repr(word)[1:-1] for word in tokenizer.batch_decode(rows)]


def _log_probabilities(inputs: Inputs) -> Callable[[np.ndarray], np.ndarray]:
    import torch

    with inference():
        head = loaded_causal(inputs.model, inputs.home, inputs.spec.dtype, inputs.device).head

    def log_probabilities(states: np.ndarray) -> Any:
        logits = head.logits(torch.from_numpy(np.asarray(states, np.float32)))
        return torch.log_softmax(logits[:, : head.tokens], dim=-1).numpy()

    return log_probabilities
