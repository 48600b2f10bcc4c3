"""Functions of Python as trees over their tokens, and as what a probe predicts of each token and gap, and back.

A tree is made binary to the right and written as in Shen et al. (Straight to the Tree, 2018) and Hernández López et al.
(AST-Probe, 2022): of every gap between two leaves the height of the lowest node above both and its label, of every leaf
the label of the node that has it alone.
"""

import ast
import io
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["NONE", "Spans", "Tree", "brackets", "constituents", "parse_function"]

Spans = frozenset[tuple[int, int, str]]
NONE = ""  # label of a node that only makes the tree binary, and of a leaf that no node has alone
LAYOUT = {
    *(tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
}
FEWEST = 8  # leaves of a function


@dataclass(frozen=True, eq=False)
class Tree:
    """The tree of a function over its n leaves, the tokens of Python.

    Attributes
    ----------
    source : str
        The function.
    leaves : tuple of tuple of int
        First character of each leaf, and that after its last.
    heights : ndarray of shape (n - 1,)
        Of the lowest node above both leaves of a gap, in the binary tree.
    gaps : tuple of str
        Labels of these nodes.
    alone : tuple of str
        Labels of the nodes that have one leaf.
    spans : frozenset of (int, int, str)
        Nodes of two leaves and more: the first, that after the last, label. The function itself is left out.
    """

    source: str
    leaves: tuple[tuple[int, int], ...]
    heights: NDArray[np.intp]
    gaps: tuple[str, ...]
    alone: tuple[str, ...]
    spans: Spans

    @property
    def words(self) -> list[str]:
        """Text of each leaf."""
        return [self.source[first:stop] for first, stop in self.leaves]


def parse_function(source: str) -> Tree | None:
    r"""Return the tree of a function; None with comments, other than one statement, or fewer than eight leaves.

    Parameters
    ----------
    source : str
        ASCII, without indentation.

    Returns
    -------
    Tree or None

    Examples
    --------
    >>> tree = parse_function("def f(a):\n    return a + 1")
    >>> sorted(tree.spans), tree.gaps[-1]
    ([(6, 10, 'Return'), (7, 10, 'BinOp')], '')
    """
    try:
        module = ast.parse(source)
        tokens = [each for each in tokenize.generate_tokens(io.StringIO(source).readline) if each.type not in LAYOUT]
    except (SyntaxError, tokenize.TokenError):
        return None
    if len(module.body) != 1 or len(tokens) < FEWEST or any(each.type == tokenize.COMMENT for each in tokens):
        return None
    starts = np.cumsum([0, *map(len, io.StringIO(source))])
    leaves = tuple((int(starts[t.start[0] - 1]) + t.start[1], int(starts[t.end[0] - 1]) + t.end[1]) for t in tokens)
    begins, ends = {a: i for i, (a, _) in enumerate(leaves)}, {b: i + 1 for i, (_, b) in enumerate(leaves)}
    labels: dict[tuple[int, int], str] = {}
    for node in ast.walk(module):  # a node comes before those inside it
        if isinstance(node, ast.stmt | ast.expr | ast.arg | ast.keyword | ast.excepthandler | ast.alias):
            first = begins.get(int(starts[node.lineno - 1]) + node.col_offset)
            stop = ends.get(int(starts[(node.end_lineno or 1) - 1]) + (node.end_col_offset or 0))
            if first is not None and stop is not None:
                chain = [labels[first, stop]] if (first, stop) in labels else []
                labels[first, stop] = "+".join([*chain, type(node).__name__])
    heights, gaps, alone = _written(labels, len(leaves))
    spans = frozenset((*at, label) for at, label in labels.items() if at[1] - at[0] > 1 and at != (0, len(leaves)))
    return Tree(source, leaves, heights, gaps, alone, spans)


def _written(labels: dict[tuple[int, int], str], n: int) -> tuple[NDArray[np.intp], tuple[str, ...], tuple[str, ...]]:
    """Return heights and labels of the gaps, and labels of the leaves, of nodes by span."""
    heights, gaps = np.zeros(n - 1, int), [NONE] * (n - 1)
    alone = [labels.get((leaf, leaf + 1), NONE) for leaf in range(n)]
    nodes = sorted((at for at in labels if at[1] - at[0] > 1), key=lambda at: at[1] - at[0])
    top = {(leaf, leaf + 1): 0 for leaf in range(n)}  # height of the largest nodes so far, by span
    for first, stop in nodes:
        inside = sorted(at for at in top if first <= at[0] and at[1] <= stop)
        height = top[inside[-1]]
        for left, right in reversed(list(pairwise(inside))):
            height = max(height, top[left]) + 1
            heights[right[0] - 1] = height
        gaps[inside[1][0] - 1] = labels[first, stop]
        for at in inside:
            del top[at]
        top[first, stop] = height
    return heights, tuple(gaps), tuple(alone)


def brackets(heights: Sequence[float] | NDArray[np.floating]) -> list[tuple[int, int, int]]:
    """Return the nodes of the binary tree that is parted at the largest gap first.

    Parameters
    ----------
    heights : array-like of shape (n - 1,)
        Of the gaps.

    Returns
    -------
    list of (int, int, int)
        First leaf of a node, that after its last, and its gap; of the first of equal gaps.

    Examples
    --------
    >>> brackets([2, 1])
    [(0, 3, 0), (1, 3, 1)]
    """
    nodes, open_ = [], [(0, len(heights) + 1)]
    while open_:
        first, stop = open_.pop()
        if stop - first > 1:
            gap = first + int(np.argmax(heights[first : stop - 1]))
            nodes.append((first, stop, gap))
            open_ += [(gap + 1, stop), (first, gap + 1)]
    return nodes


def constituents(heights: NDArray[np.floating], gaps: Sequence[str]) -> Spans:
    """Return the labeled nodes of a tree from its gaps; the whole is left out, as in `Tree.spans`.

    Parameters
    ----------
    heights : ndarray of shape (n - 1,)
        Of the gaps.
    gaps : sequence of str
        Their labels.

    Returns
    -------
    frozenset of (int, int, str)
    """
    n = len(heights) + 1
    nodes = ((first, stop, gaps[gap]) for first, stop, gap in brackets(heights))
    return frozenset(node for node in nodes if node[2] != NONE and node[:2] != (0, n))
