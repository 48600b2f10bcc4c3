"""What studies read: rows of the vocabulary, states of words and texts, stored states of data sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tasks.models.label_space import label_space
from tasks.models.loaded import inference, loaded, tokenizing
from tasks.steps.lake_reads import Rows, read_states
from tasks.steps.study_specs import StudyItemsSpec
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.extraction import check_head, extract
from vocabsem.instruments.base import Sampling
from vocabsem.label_space import LabelSpace
from vocabsem.prompting import encode_prompts, encode_texts
from warehouse.home import Home
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix


@dataclass(frozen=True)
class Inputs:
    """What a study's spec names, read when it is wanted."""

    home: Home
    model: ModelCard
    datasets: Mapping[str, DatasetCard]
    files: Mapping[str, Path]
    spec: StudyItemsSpec
    device: str

    @property
    def sampling(self) -> Sampling:
        return Sampling(self.spec.resamples, self.spec.null_draws, self.spec.seed)

    @cached_property
    def vocabulary(self) -> tuple[np.ndarray, np.ndarray]:
        """Head rows and anchors, each (V, d)."""
        table = Lake(self.home).partition("anchors", self.spec.anchors, model=self.model.name)
        rows = table.table(["head", "anchor"])
        return matrix(rows["head"]), matrix(rows["anchor"])

    def single_tokens(self, words: Sequence[str]) -> dict[str, int]:
        """Return the number of the token of each word that is one after a space."""
        with tokenizing(self.model, self.home) as tokenizer:
            ids = encode_texts(tokenizer, [f" {word}" for word in words], split_special_tokens=False)
        return {word: tokens[0] for word, tokens in zip(words, ids, strict=True) if len(tokens) == 1}

    def text_states(self, texts: Sequence[str], template: str) -> dict[int, np.ndarray]:
        """Return the states (N, d) of texts in a template, by layer."""
        spec = self.spec
        with tokenizing(self.model, self.home) as tokenizer:
            prompts = encode_prompts(
                tokenizer,
                template,
                [{"text": text} for text in texts],
                max_tokens=spec.max_tokens,
                prepend_bos=self.model.prepend_bos,
                special_tokens=self.model.adds_special_tokens,
                chat=self.model.conversation,
            )
        with inference():
            network = loaded(self.model, self.home, spec.dtype, self.device)
            check_head(network, prompts.token_ids)
            states = extract(network, prompts.token_ids, spec.layers, pooling=spec.pooling)
        return {int(layer): rows for layer, rows in states.items()}

    def stored_states(self, dataset: str, split: str) -> tuple[list[str], np.ndarray, dict[int, np.ndarray]]:
        """Return ids, labels (N,) and states (N, d) by layer of a split."""
        rows: Rows = read_states(self.home, self.model.name, dataset, split, self.spec.states[f"{dataset}/{split}"])
        ids, labels, states = rows
        width = states.shape[1] // len(self.spec.layers)
        return ids, labels, {layer: states[:, width * i : width * (i + 1)] for i, layer in enumerate(self.spec.layers)}

    def label_space(self, dataset: str) -> LabelSpace:
        """Return anchors and head rows of a data set's label words."""
        return label_space(self.home, self.model, self.datasets[dataset], self.spec.anchors)
