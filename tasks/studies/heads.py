"""Outputs of the attention heads at the last token of training and test examples, and their labels."""

from tasks.models.loaded import inference, loaded_causal
from tasks.studies.inputs import Inputs
from vocabsem.instruments.base import Item, StudyResult, Value
from vocabsem.instruments.heads import heads_study
from vocabsem.states.head_outputs import head_count


def measure(inputs: Inputs) -> StudyResult:
    """Measure the heads on each data set."""
    with inference():
        count = head_count(loaded_causal(inputs.model, inputs.home, inputs.spec.dtype, inputs.device))
    values: list[Value] = []
    items: list[Item] = []
    for dataset in inputs.datasets:
        (known, train), (true, test) = (inputs.stored_heads(dataset, split) for split in ("train", "test"))
        result = heads_study(dataset, train, test, (known, true), heads=count, sampling=inputs.sampling)
        values, items = [*values, *result.values], [*items, *result.items]
    return StudyResult(tuple(values), tuple(items))
