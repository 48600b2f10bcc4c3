"""Documents, and texts of data sets, by prompt, pooling and layer; as counts of words; by a sentence encoder."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from tasks.studies.inputs import Inputs
from vocabsem.instruments.base import Space, StudyResult, Value
from vocabsem.instruments.embed import embed_study
from vocabsem.instruments.embed_clusters import cluster_values
from vocabsem.instruments.embed_data import corrections, perturbed, read_documents, read_similarities
from vocabsem.models.model_draft import find_model_card
from vocabsem.states.layers import Pooling
from vocabsem.states.pooling import check_poolings

PLAIN: tuple[Pooling, ...] = ("mean", "last")  # that are also measured with errors and corrected
OTHERS: tuple[Pooling, ...] = ("weighted_mean", "echo")
BARE = "{text}"


def measure(inputs: Inputs) -> StudyResult:
    """Embed the documents in every way, and compare with people; clusters of texts with their labels."""
    spec = inputs.spec
    texts = read_documents(inputs.files["documents"])
    human = read_similarities(inputs.files["similarities"], len(texts))
    background = read_documents(inputs.files["background"])[: inputs.params["background"]]
    wrong = perturbed(texts, tuple(inputs.params["rates"]), spec.seed)
    wanted = [f"{layer}:{pooling}" for layer in spec.layers for pooling in (*PLAIN, *OTHERS)]
    check_poolings(wanted, "last", inputs.model, spec.max_tokens)
    every = [*texts, *(text for some in wrong.values() for text in some)]
    plain = inputs.pooled_states(every, BARE, PLAIN)
    whole = [Space(pooling, layer, rows) for (pooling, layer), rows in plain.items()]
    whole += _outside(inputs, every, [*background, *texts])
    n = len(texts)
    others = [
        Space(pooling, layer, rows) for (pooling, layer), rows in inputs.pooled_states(texts, BARE, OTHERS).items()
    ]
    spaces = {
        "documents": [*(replace(space, vectors=space.vectors[:n]) for space in whole), *others],
        "documents after a prompt": list(_prompted(inputs, texts)),
        "documents corrected": list(_corrected(inputs, plain, background, n)),
    }
    errors = {
        name: [replace(space, vectors=space.vectors[n * at : n * at + n]) for space in whole]
        for at, name in enumerate(wrong, 1)
    }
    result = embed_study(spaces, errors, human, texts, inputs.sampling, depth=inputs.params["depth"])
    return replace(result, values=(*result.values, *_clustered(inputs)))


def _clustered(inputs: Inputs) -> Iterator[Value]:
    """Yield values of the test texts of each data set, by pooling of the bare text and in the data set's template."""
    for dataset in inputs.datasets:
        texts = inputs.stored_texts(dataset, "test")
        _, labels, stored = inputs.stored_states(dataset, "test")
        spaces = [Space("template", layer, rows) for layer, rows in stored.items()]
        plain = inputs.pooled_states(texts, BARE, PLAIN)
        spaces += [Space(pooling, layer, rows) for (pooling, layer), rows in plain.items()]
        spaces += _outside(inputs, texts, texts)
        yield from cluster_values(dataset, spaces, labels, starts=inputs.params["starts"], sampling=inputs.sampling)


def _corrected(
    inputs: Inputs, plain: Mapping[tuple[Pooling, int], np.ndarray], background: list[str], n: int
) -> Iterator[Space]:
    others = inputs.pooled_states(background, BARE, PLAIN)
    for (pooling, layer), rows in plain.items():
        for name, vectors in corrections(rows[:n], others[pooling, layer], inputs.params["removed_axes"]).items():
            yield Space(f"{pooling}, {name}", layer, vectors)


def _prompted(inputs: Inputs, texts: list[str]) -> Iterator[Space]:
    """Yield the last token after each prompt, and its mean over the prompts."""
    prompts = {name: inputs.text_states(texts, template) for name, template in inputs.spec.templates.items()}
    for layer in inputs.spec.layers if prompts else ():
        for name, states in prompts.items():
            yield Space(name, layer, states[layer])
        yield Space("mean of prompts", layer, np.mean([states[layer] for states in prompts.values()], axis=0))


def _outside(inputs: Inputs, every: list[str], counted: list[str]) -> Iterator[Space]:
    """Yield what needs no causal model: counts of words, and the sentence encoder of the card."""
    for name, kind in (("bag of words", CountVectorizer), ("tf-idf", TfidfVectorizer)):
        counts = kind(stop_words="english").fit(counted)
        yield Space(name, None, counts.transform(every).toarray().astype(np.float64))
    card = find_model_card(f"file:{inputs.files['encoder']}", inputs.home.cache)
    spec = inputs.spec.model_copy(
        update={"layers": (card.layers,), "pooling": "last", "max_tokens": min(card.max_tokens, inputs.spec.max_tokens)}
    )
    states = replace(inputs, model=card, spec=spec).text_states(every, BARE)
    yield Space("sentence encoder", None, states[card.layers])
