"""Training examples to the demonstrations that prompts begin with."""

import numpy as np
import pyarrow as pa

from tasks.models.loaded import tokenizing
from tasks.models.prompts import encode_fields
from tasks.steps.checks import unique_ids
from tasks.steps.decorator import step_task
from tasks.steps.facts import DemonstrationsFacts
from tasks.steps.lake_reads import split_rows
from tasks.steps.specs import DemonstrationsSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.datasets.demonstrations import choose_demonstrations, encode_demonstrations, max_demonstrations
from vocabsem.errors import DataError
from vocabsem.prompts.prompting import Ids
from warehouse.home import Home
from warehouse.lake.partition import Lake


@step_task(task_run_name="demonstrations {dataset.name} seed {step.spec.random_state}")
def publish_demonstrations(home: Home, model: ModelCard, dataset: DatasetCard, step: Step[DemonstrationsSpec]) -> str:
    """Choose, tokenize and publish, one row an example in the order of the prompt. Returns the partition's key.

    Raises DataError where they leave no room for a question.
    """
    spec = step.spec
    train = split_rows(home, spec.dataset, spec.examples, "train", ["id", "label", "fields"])
    labels = train["label"].to_numpy().astype(np.int64)
    fields = [dict(each) for each in train["fields"].to_pylist()]

    def encoded(rows: np.ndarray) -> list[Ids]:
        chosen, words = [fields[row] for row in rows], [spec.words[labels[row]] for row in rows]
        with tokenizing(model, home) as tokenizer:
            return encode_demonstrations(tokenizer, spec.template, chosen, words, max_tokens=spec.max_tokens)

    per_class = spec.per_class
    if per_class == "fit":
        questions = encode_fields(home, model, fields, spec).tokens.tolist()
        lengths = [len(ids) for ids in encoded(np.arange(len(fields)))]
        per_class = max_demonstrations(
            labels, lengths, spec.random_state, dataset.classes, prompt_lengths=questions, max_tokens=spec.context
        )
    rows = choose_demonstrations(labels, per_class, spec.random_state, dataset.classes, order=spec.order)
    tokens = encoded(rows)
    length = sum(map(len, tokens)) + spec.prepend_bos
    if length >= spec.context:
        raise DataError(
            f"{per_class} demonstrations per class of dataset {spec.dataset!r} are {length} tokens, which leaves no"
            f" room for a question in {spec.context}: use fewer, or set demonstrations: fit"
        )
    ids = [train["id"][int(row)].as_py() for row in rows]
    table = pa.table({"id": pa.array(ids, pa.string()), "token_ids": pa.array(tokens, pa.list_(pa.int32()))})
    facts = DemonstrationsFacts(per_class=per_class, tokens=length, context=spec.context)
    step.publish(Lake(home), table, facts, [unique_ids(ids)])
    return step.key
