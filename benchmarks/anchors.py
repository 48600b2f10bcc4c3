"""Anchors of the default model's head against torch's pseudoinverse, and of a larger one against a single product."""

from collections.abc import Iterator

import torch

from benchmarks import MODEL, Row, Setting, best_of
from vocabsem.cards.loader import load_card
from vocabsem.models.language_model import load_model
from vocabsem.vocabulary.anchors import semantic_anchors


def measure(setting: Setting) -> Iterator[Row]:
    head = load_model(load_card("models", MODEL), setting.home.cache, dtype="checkpoint").head.weight
    ours, theirs = best_of(6, lambda: semantic_anchors(head), lambda: torch.linalg.pinv(head))
    yield Row(f"anchors, {' × '.join(map(str, head.shape))}", ours, "torch.linalg.pinv", theirs, "s", "≤ 0.2")
    yield beside_gram(151_936, 896, "cpu")  # the head of Qwen2.5-0.5B


def beside_gram(tokens: int, hidden: int, device: str) -> Row:
    """A head with random weights; its Gram matrix is one float64 product, as torch multiplies."""
    head = torch.randn(tokens, hidden, generator=torch.Generator().manual_seed(0)).to(device)
    exact = head.double()

    def settled(result: torch.Tensor) -> None:
        """Wait for the device."""
        float(result[0, 0])

    ours, gram = best_of(3, lambda: settled(semantic_anchors(head).vectors), lambda: settled(exact.mT @ exact))
    return Row(f"anchors, {tokens} × {hidden} on {device}", ours, "the Gram product alone", gram, "s", "≤ 1.5")
