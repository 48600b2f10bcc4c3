"""Functions of Python files, and the states of their tokens by the model and by its architecture without training."""

from collections.abc import Sequence

import numpy as np

from tasks.models.loaded import inference, loaded_causal, tokenizing
from tasks.studies.inputs import Inputs
from vocabsem.errors import BadInput, CardError, DataError
from vocabsem.instruments.base import StudyResult
from vocabsem.instruments.python_functions import read_functions
from vocabsem.instruments.syntax import States, syntax_study
from vocabsem.instruments.syntax_trees import Tree
from vocabsem.models.untrained import untrained
from vocabsem.prompts.prompting import encode_texts
from vocabsem.states.extraction import check_head
from vocabsem.states.token_states import extract_tokens

BEFORE = "# Python\n"  # the state of a prompt's first token is far from all others
FEWEST = 10  # functions
Prompt = tuple[list[int], list[int]]  # token ids; of each its leaf, −1 for what is between leaves


def measure(inputs: Inputs) -> StudyResult:
    """Train probes on functions of one file, and measure the trees of those of the other."""
    params, width = inputs.params, inputs.model.hidden_size
    if max(params["ranks"]) > width:
        raise CardError(
            f"study syntax: ranks has {max(params['ranks'])}, and states of {inputs.model.name!r} have {width}"
            " dimensions: give smaller ones"
        )
    train, of_train = _chosen(inputs, "train", params["functions"])
    known = {tree.source for tree in train}
    test, of_test = _chosen(inputs, "test", params["held_out"], known)
    prompts = [*of_train, *of_test]
    ids = [tokens for tokens, _ in prompts]
    with inference():
        network = loaded_causal(inputs.model, inputs.home, inputs.spec.dtype, inputs.device)
        check_head(network, ids)
        made = [_of_leaves(prompts, extract_tokens(network, ids, inputs.spec.layers))]
        made.append(_of_leaves(prompts, extract_tokens(untrained(network, inputs.spec.seed), ids, inputs.spec.layers)))
    n = sum(len(tree.leaves) for tree in train)
    own, null = made
    if any(len(rows) != n + sum(len(tree.leaves) for tree in test) for rows in own.values()):
        raise BadInput(f"the tokenizer of model {inputs.model.name!r} gives some leaves no token: name another model")
    states = [
        States(layer, own[layer][:n], own[layer][n:], null[layer][:n], null[layer][n:]) for layer in inputs.spec.layers
    ]
    settings = {"ranks": params["ranks"], "epochs": params["epochs"], "control": params["control"]}
    return syntax_study(states, train, test, **settings, sampling=inputs.sampling)


def _chosen(inputs: Inputs, name: str, most: int, known: set[str] | None = None) -> tuple[list[Tree], list[Prompt]]:
    """Return functions of a file, at random, that are not known and no longer than a prompt may be, with tokens."""
    trees = [tree for tree in read_functions(inputs.files[name]) if tree.source not in (known or ())]
    order = inputs.sampling.generator(5).permutation(len(trees))
    prompts = _prompts(inputs, trees)
    fitting = [row for row in order if len(prompts[row][0]) <= inputs.spec.max_tokens][:most]
    if len(fitting) < FEWEST:
        raise DataError(
            f"{inputs.files[name]} has {len(fitting)} functions of at most {inputs.spec.max_tokens} tokens: give at"
            f" least {FEWEST}, or raise max_tokens"
        )
    return [trees[row] for row in fitting], [prompts[row] for row in fitting]


def _prompts(inputs: Inputs, trees: Sequence[Tree]) -> list[Prompt]:
    """Return tokens of functions. A leaf is encoded by itself, with a space before it: no token is of two leaves."""
    pieces = [(-1, BEFORE)]
    for tree in trees:
        last = 0
        for leaf, (first, stop) in enumerate(tree.leaves):
            begin = first - 1 if tree.source[last:first].endswith(" ") else first
            pieces += [(-1, tree.source[last:begin]), (leaf, tree.source[begin:stop])]
            last = stop
    with tokenizing(inputs.model, inputs.home) as tokenizer:
        encoded = iter(encode_texts(tokenizer, [text for _, text in pieces], split_special_tokens=True))
        start = [int(tokenizer.bos_token_id)] if inputs.model.prepend_bos else []
    start += next(encoded)
    prompts = []
    numbers = iter(pieces[1:])
    for tree in trees:
        ids, leaves = list(start), [-1] * len(start)
        for _ in range(2 * len(tree.leaves)):
            tokens, (leaf, _) = next(encoded), next(numbers)
            ids += tokens
            leaves += [leaf] * len(tokens)
        prompts.append((ids, leaves))
    return prompts


def _of_leaves(prompts: Sequence[Prompt], states: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Return the mean state of the tokens of each leaf, (T, d) by layer."""
    leaf = np.concatenate([leaves for _, leaves in prompts])
    text = np.repeat(np.arange(len(prompts)), [len(ids) for ids, _ in prompts])
    inside = leaf >= 0
    begins = np.flatnonzero(np.diff(text[inside] * (leaf.max() + 1) + leaf[inside], prepend=-1))
    counts = np.diff([*begins, inside.sum()])[:, None]
    return {layer: np.add.reduceat(rows[inside], begins) / counts for layer, rows in states.items()}
