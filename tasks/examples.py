"""Source files to the examples of a data set, one partition for all its splits."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from tasks.steps.checks import balance_as_before, balance_as_in_training, unique_ids
from tasks.steps.decorator import step_task
from tasks.steps.facts import ClassFacts, ExamplesFacts
from tasks.steps.label_columns import WEIGHT, label_columns
from tasks.steps.specs import ExamplesSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import DatasetCard
from vocabsem.datasets.examples import read_examples
from vocabsem.datasets.label_values import label_text
from warehouse.home import Home
from warehouse.lake.manifest import Check
from warehouse.lake.partition import Lake


@step_task(task_run_name="examples {card.name}")
def build_examples(home: Home, card: DatasetCard, files: Mapping[str, Path], step: Step[ExamplesSpec]) -> str:
    """Read, split, cap and publish. Returns the partition's key."""
    examples = read_examples(card, files, limits=step.spec.limits, cache=home.cache / "datasets")
    names = [label_text(card.label_names, label) for label in examples.labels]
    table = pa.table(
        {
            "id": pa.array(examples.ids, pa.string()),
            "split": pa.array(examples.split, pa.string()),
            **label_columns(examples.labels),
            "label_name": pa.array(names, pa.string()),
            "text": pa.array(["\n".join(fields.values()) for fields in examples.fields], pa.string()),
            **({} if examples.weights is None else {WEIGHT: pa.array(examples.weights, from_pandas=True)}),
            "fields": pa.array([list(fields.items()) for fields in examples.fields], pa.map_(pa.string(), pa.string())),
        }
    )
    splits = {split: examples.split.count(split) for split in dict.fromkeys(examples.split)}
    classes = {split: sum(map(bool, counts.values())) for split, counts in examples.facts.counts.items()}
    facts = ExamplesFacts(
        **asdict(examples.facts),
        description=card.description,
        license=card.license,
        citation=card.citation,
        template=card.template,
        sources={str(split): source for split, source in card.files.items()},
        classes=[
            ClassFacts(label=i, name=label.name, word=", ".join(label.words)) for i, label in enumerate(card.labels)
        ],
        rows=splits,
    )
    checks = [
        Check(name="rows", passed=len(table) > 0, detail=f"{len(table)} rows"),
        unique_ids(examples.ids),
        *(
            Check(
                name=f"every class in {s}", passed=n == card.classes, severity="warn", detail=f"{n} of {card.classes}"
            )
            for s, n in classes.items()
        ),
        *(
            Check(name="one label for a text", passed=False, severity="warn", detail=rows)
            for rows in examples.contradictions
        ),
        *balance_as_before(home, step, examples.facts.counts),
        *balance_as_in_training(examples.facts.counts),
    ]
    step.publish(Lake(home), table, facts, checks)
    return step.key
