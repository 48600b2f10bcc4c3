"""The label space of a sentence encoder: the encodings of the label words, which may be phrases."""

from collections.abc import Sequence

import numpy as np

from vocabsem.families.encoder import COSINE_SCALE, EncoderModel
from vocabsem.label_space import LabelSpace
from vocabsem.prompts.prompting import encode_prompts
from vocabsem.states.extraction import extract

__all__ = ["encode_labels"]


def encode_labels(
    model: EncoderModel, words: Sequence[str], max_tokens: int, scale: float = COSINE_SCALE
) -> LabelSpace:
    """Encode the label word or description of each class as texts are encoded.

    Anchors and rows of the head are the same unit vectors: with states of unit length, logits are cosines times
    `scale`.

    Parameters
    ----------
    model : EncoderModel
        The encoder.
    words : sequence of str
        Of the C classes.
    max_tokens : int
        Longest text.
    scale : float, default=20
        Of cosines as logits; the default is that of sentence-transformers' contrastive loss.

    Returns
    -------
    LabelSpace

    Examples
    --------
    >>> encode_labels(model, ["sport", "world news"], max_tokens=32).anchors.shape  # doctest: +SKIP
    (2, 384)
    """
    rows = [{"text": word} for word in words]
    prompts = encode_prompts(
        model.tokenizer, "{text}", rows, max_tokens=max_tokens, prepend_bos=False, special_tokens=True
    )
    vectors = extract(model, prompts.token_ids, [model.layers])[model.layers]  # (C, d)
    return LabelSpace(vectors, vectors, np.zeros(len(vectors), np.float32), scale=scale)
