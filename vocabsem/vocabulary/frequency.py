"""The direction of states along which the head separates frequent tokens from rare ones, and states without it.

Tokenizers number their tokens in the order in which they were merged (Sennrich et al., 2016), the most frequent first:
the logarithm of the number approximates that of the frequency. The state whose logits repeat it best is, by least
squares, a sum of anchors, Σ y_i s_i.
"""

import torch
from torch import Tensor

from vocabsem.vocabulary.similarity import Array, as_tensor

__all__ = ["frequency_direction", "project_out"]


def frequency_direction(anchors: Array) -> Tensor:
    """Return the direction of the state whose logits are nearest to minus the logarithm of the token's number.

    Parameters
    ----------
    anchors : array of shape (V, d)
        Anchors of the vocabulary, in the order of the tokenizer.

    Returns
    -------
    Tensor of shape (d,), float64
        Of length 1.

    References
    ----------
    Sennrich, Haddow and Birch (2016), Neural Machine Translation of Rare Words with Subword Units, arXiv 1508.07909.

    Examples
    --------
    >>> frequency_direction(torch.eye(2)).round(decimals=3).tolist()
    [0.707, -0.707]
    """
    rows = as_tensor(anchors)
    values = -torch.arange(1, len(rows) + 1, dtype=torch.float64, device=rows.device).log()
    direction = ((values - values.mean()).to(rows.dtype) @ rows).double()
    unit: Tensor = direction / direction.norm()
    return unit


def project_out(vectors: Array, direction: Tensor) -> Tensor:
    """Return vectors without their component along a direction of length 1.

    Projecting frequent directions out of word vectors is that of Mu and Viswanath (2018).

    Parameters
    ----------
    vectors : array of shape (N, d)
        States or anchors.
    direction : Tensor of shape (d,)
        Of length 1.

    Returns
    -------
    Tensor of shape (N, d)
        Of the dtype of the vectors.

    References
    ----------
    Mu and Viswanath (2018), All-but-the-Top: Simple and Effective Postprocessing for Word Representations, arXiv
    1702.01417.

    Examples
    --------
    >>> project_out(torch.tensor([[3.0, 4.0]]), torch.tensor([1.0, 0.0])).tolist()
    [[0.0, 4.0]]
    """
    rows = as_tensor(vectors)
    unit = direction.to(rows)
    return rows - torch.outer(rows @ unit, unit)
