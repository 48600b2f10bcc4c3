"""What studies read: rows of the vocabulary, states of words and texts, stored states of data sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tasks.models.label_space import label_space
from tasks.models.loaded import inference, loaded, tokenizing
from tasks.models.prompts import make_prompts
from tasks.steps.label_columns import ONE
from tasks.steps.lake_reads import layer_widths, prompt_rows, read_states
from tasks.steps.specs import StatesSpec
from tasks.steps.study_specs import StudyItemsSpec
from tasks.steps.token_reads import TokenRows, read_token_states
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.errors import BadInput
from vocabsem.instruments.base import Sampling
from vocabsem.instruments.registry import study_info
from vocabsem.label_space import LabelSpace
from vocabsem.prompts.prompting import encode_prompts, encode_texts
from vocabsem.states.extraction import check_head, extract
from vocabsem.states.layers import Pooling, column_of
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
    def params(self) -> dict[str, Any]:
        """The study's parameters, with the defaults that its spec leaves out."""
        return dict(study_info(self.spec.study).params) | self.spec.params

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
        pooling = self.spec.pooling
        return {layer: rows for (_, layer), rows in self.pooled_states(texts, template, [pooling]).items()}

    def pooled_states(
        self, texts: Sequence[str], template: str, poolings: Sequence[Pooling]
    ) -> dict[tuple[Pooling, int], np.ndarray]:
        """Return the states (N, d) of texts in a template, by pooling and layer, from one run of the model."""
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
        wanted = [f"{layer}:{pooling}" for pooling in poolings for layer in spec.layers]
        with inference():
            network = loaded(self.model, self.home, spec.dtype, self.device)
            check_head(network, prompts.token_ids)
            states = extract(network, prompts.token_ids, wanted, pooling=poolings[0])
        return {
            (pooling, layer): states[layer if pooling == poolings[0] else f"{layer}:{pooling}"]
            for pooling in poolings
            for layer in spec.layers
        }

    def stored_states(self, dataset: str, split: str) -> tuple[list[str], np.ndarray, dict[int, np.ndarray]]:
        """Return ids, labels (N,) and states (N, d) by layer of a split."""
        where = self.home, self.model.name, dataset, split, self.spec.states[f"{dataset}/{split}"]
        ids, labels, states = read_states(*where)
        parts = np.split(states, np.cumsum(layer_widths(*where))[:-1], axis=1)
        return ids, labels, dict(zip(self.spec.layers, parts, strict=True))

    def stored_texts(self, dataset: str, split: str) -> list[str]:
        """Return the texts of the prompts whose states are stored, the fields of one joined by a space."""
        states = self._states_spec(dataset, split)
        fields = prompt_rows(self.home, states)["fields"].to_pylist()
        return [" ".join(dict(each).values()) for each in fields]

    def stored_heads(self, dataset: str, split: str) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        """Return labels (N,) and what the heads of each layer give (N, H·r) of a split."""
        key, where = self.spec.head_outputs[f"{dataset}/{split}"], {"model": self.model.name, "dataset": dataset}
        partition = Lake(self.home).partition("head_outputs", key, **where, split=split)
        table = partition.table([ONE, *map(column_of, self.spec.layers)])
        return table[ONE].to_numpy(), {layer: matrix(table[column_of(layer)]) for layer in self.spec.layers}

    def stored_prompts(self, dataset: str, split: str, most: int) -> list[list[int]]:
        """Return the tokens of the first prompts whose states are stored."""
        states = self._states_spec(dataset, split)
        rows = prompt_rows(self.home, states, slice(most))
        fields = [dict(fields) for fields in rows["fields"].to_pylist()]
        return [list(ids) for ids in make_prompts(self.home, self.model, states, fields).prompts.token_ids]

    def _states_spec(self, dataset: str, split: str) -> StatesSpec:
        key, where = self.spec.states[f"{dataset}/{split}"], {"model": self.model.name, "dataset": dataset}
        return StatesSpec.parse(Lake(self.home).partition("states", key, **where, split=split).require().payload)

    def stored_tokens(self, dataset: str, split: str) -> TokenRows:
        """Return the states of all tokens of a split."""
        key = self.spec.token_states[f"{dataset}/{split}"]
        return read_token_states(self.home, self.model.name, dataset, split, key, self.spec.layers)

    def require_anchor_width(self, layer: int, states: np.ndarray) -> None:
        """Raise BadInput where states (N, d) are not of the width of anchors: inside, models that project are wider."""
        width = self.vocabulary[1].shape[1]
        if states.shape[1] != width:
            raise BadInput(
                f"study {self.spec.study} compares states with anchors, and in layer {layer} of model"
                f" {self.model.name!r} states have {states.shape[1]} dimensions, anchors {width}: set layers: [last],"
                " or name another model"
            )

    def label_space(self, dataset: str) -> LabelSpace:
        """Return anchors and head rows of a data set's label words."""
        return label_space(self.home, self.model, self.datasets[dataset], self.spec.anchors)
