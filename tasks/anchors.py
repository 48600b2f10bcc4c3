"""A model's head to the semantic anchor of every token; an encoder's label words to their encodings."""

from typing import NamedTuple

import numpy as np
import torch

from tasks.models.loaded import inference
from tasks.steps.anchor_table import anchor_table, publish_anchors
from tasks.steps.decorator import step_task
from tasks.steps.facts import AnchorsFacts
from tasks.steps.shards import shard_name, shards
from tasks.steps.specs import AnchorsSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import ModelCard
from vocabsem.families.base import HeadModel
from vocabsem.families.encoder import EncoderModel
from vocabsem.families.head import Head
from vocabsem.models.language_model import load_model
from vocabsem.runtime.devices import offload_limit, resolve_device
from vocabsem.states.label_encodings import encode_labels
from vocabsem.vocabulary.anchors import Anchors, semantic_anchors
from warehouse.home import Home
from warehouse.lake.partition import Lake

ROWS = 65536  # tokens a file


class _Solved(NamedTuple):
    """What the rows of the partition are made of."""

    names: list[str]
    """Tokens, or label words."""
    head: Head
    anchors: Anchors
    """How well the head was inverted; of an encoder, how far its label words are from each other."""


@step_task(task_run_name="anchors {model.name}")
def build_anchors(home: Home, model: ModelCard, step: Step[AnchorsSpec], device: str) -> str:
    """Solve, and publish one row a token with its anchor and its head row. Returns the partition's key."""
    names, head, anchors = _solve(home, model, step.spec, device)
    vectors, leverage = anchors.vectors.cpu(), anchors.leverage.cpu()  # (V, d), (V,) float64
    bias = np.zeros(head.tokens, np.float32) if head.bias is None else head.bias[: head.tokens].numpy()
    norm = vectors.norm(dim=1)  # (V,)
    partition = step.partition(Lake(home))
    files = []
    for start, stop in shards(head.tokens, ROWS):
        rows = slice(start, stop)
        table = anchor_table(
            start, names[rows], vectors[rows], norm[rows], leverage[rows], head.weight[rows], bias[rows]
        )
        files.append(partition.write_table(shard_name(start, stop), table))
    facts = AnchorsFacts(
        condition=anchors.condition,
        residual=anchors.residual,
        rank=anchors.rank,
        gauge=anchors.gauge,
        solver=anchors.solver,
        tokens=head.tokens,
        padding_rows=head.weight.shape[0] - head.tokens,
        softcap=head.softcap,
        scale=head.scale,
        card=model.model_dump(mode="json"),
    )
    publish_anchors(home, step, files, facts, min(head.weight.shape), norm.numpy())
    return step.key


def _solve(home: Home, model: ModelCard, spec: AnchorsSpec, device: str) -> _Solved:
    with inference():
        placed = "cpu" if offload_limit(device) is None else device
        plain = model.model_copy(update={"quantization": None})  # which leaves the head as it is
        network = load_model(plain, home.cache, dtype="checkpoint", device=placed)
        if isinstance(network, EncoderModel):
            return _encode(network, spec, model.max_tokens)
        assert isinstance(network, HeadModel)
        head, tokenizer = network.head, network.tokenizer
        del network  # the other weights are not needed any more
    anchors = semantic_anchors(
        head.weight, bias=head.bias, gauge=spec.gauge, rows=head.tokens, device=resolve_device(device)
    )
    return _Solved([str(tokenizer.decode([token])) for token in range(head.tokens)], head, anchors)


def _encode(network: EncoderModel, spec: AnchorsSpec, max_tokens: int) -> _Solved:
    """Label words are compared with as they are encoded: nothing is inverted."""
    space = encode_labels(network, spec.words, max_tokens)
    weight = torch.from_numpy(space.anchors)  # (C, d)
    left, values, _ = torch.linalg.svd(weight.double(), full_matrices=False)
    kept = values > values[0] * max(weight.shape) * torch.finfo(torch.float32).eps
    anchors = Anchors(
        vectors=weight.double(),
        leverage=left[:, kept].square().sum(1),
        condition=float(values[0] / values[kept][-1]),
        residual=0.0,
        rank=int(kept.sum()),
        gauge=spec.gauge,
        solver="encoder",
    )
    return _Solved(list(spec.words), Head(weight, None, None, space.scale, len(weight)), anchors)
