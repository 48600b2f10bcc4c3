"""Fields of examples to the prompts of a step, with demonstrations before them where the step shows some."""

from dataclasses import replace

import numpy as np

from tasks.models.loaded import tokenizing
from tasks.steps.lake_reads import split_rows
from tasks.steps.specs import PromptSpec, StatesSpec
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.demonstrations import choose_demonstrations, encode_demonstrations, max_demonstrations
from vocabsem.errors import DataError
from vocabsem.prompting import Ids, Prompts, encode_prompts
from warehouse.home import Home


def encode(
    home: Home, model: ModelCard, dataset: DatasetCard, fields: list[dict[str, str]], spec: PromptSpec
) -> Prompts:
    with tokenizing(model, home) as tokenizer:
        return encode_prompts(
            tokenizer, dataset.template, fields, max_tokens=spec.max_tokens, prepend_bos=spec.prepend_bos
        )


def demonstrated(home: Home, model: ModelCard, dataset: DatasetCard, spec: StatesSpec) -> tuple[Ids, list[str]]:
    """What all prompts of the step begin with, and the ids of the training rows it shows.

    Raises DataError where they leave no room for a question.
    """
    settings = spec.demonstrations
    assert settings is not None
    train = split_rows(home, dataset.name, spec.examples, "train")
    labels = train["label"].to_numpy().astype(np.int64)
    fields = [dict(each) for each in train["fields"].to_pylist()]
    longest, seed = spec.max_tokens, settings.random_state

    def encoded(rows: np.ndarray) -> list[Ids]:
        shown, words = [fields[row] for row in rows], [dataset.label_words[labels[row]] for row in rows]
        with tokenizing(model, home) as tokenizer:
            return encode_demonstrations(tokenizer, dataset.template, shown, words, max_tokens=longest)

    per_class = settings.per_class
    if per_class == "fit":
        questions = [len(ids) for ids in encode(home, model, dataset, fields, spec).token_ids]
        lengths = [len(ids) for ids in encoded(np.arange(len(fields)))]
        per_class = max_demonstrations(
            labels, lengths, seed, dataset.classes, prompt_lengths=questions, max_tokens=settings.context
        )
    chosen = choose_demonstrations(labels, per_class, seed, dataset.classes, order=settings.order)
    with tokenizing(model, home) as tokenizer:
        beginning = [tokenizer.bos_token_id] if spec.prepend_bos else []
    beginning += [token for ids in encoded(chosen) for token in ids]
    if len(beginning) >= settings.context:
        raise DataError(
            f"{per_class} demonstrations per class of dataset {dataset.name!r} are {len(beginning)} tokens, which"
            f" leaves no room for a question in {settings.context}: show fewer, or set demonstrations: fit"
        )
    return beginning, [train["id"][int(row)].as_py() for row in chosen]


def make_prompts(
    home: Home, model: ModelCard, dataset: DatasetCard, spec: StatesSpec, fields: list[dict[str, str]]
) -> tuple[Prompts, list[str]]:
    """The step's prompts, and the ids of the demonstrations in each."""
    if spec.demonstrations is None:
        return encode(home, model, dataset, fields, spec), []
    beginning, shown = demonstrated(home, model, dataset, spec)
    room = spec.demonstrations.context - len(beginning)
    after = spec.model_copy(update={"prepend_bos": False, "max_tokens": min(spec.max_tokens, room)})
    prompts = encode(home, model, dataset, fields, after)
    return replace(prompts, token_ids=[beginning + ids for ids in prompts.token_ids]), shown
