"""How much memory the fits of a plan need, by the rows of its examples and by what their methods state."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from flows.planning.plan import ModelDatasetPlan, Plan
from tasks.steps.lake_reads import BLOCK, MAX_CACHED_BYTES, prompt_count, read_bytes
from tasks.steps.specs import SplitSpec, StoredFitSpec
from tasks.steps.step import PlannedFit
from vocabsem.cards.schema import ModelCard
from vocabsem.datasets.shots import shots_text
from vocabsem.errors import DataError
from vocabsem.methods.info import STATES_LIMIT
from vocabsem.methods.registry import method_info
from vocabsem.runtime.devices import available_memory, offload_limit

BLOCKS = 8  # copies of a block of states while it is predicted
ANSWER = 150  # bytes of a prediction while it is checked and written, its probabilities aside
TERMS = 20  # numbers of an example in the bootstrap of all metrics, those of its classes aside
WHOLE_HEAD = 1 << 28  # numbers of the largest head that one task solves: its rows and its anchors take 2 GiB each
SUM_ROWS = 32768  # of a larger one that are summed to d × d numbers, which are written: few large blocks
ANCHOR_ROWS = 8192  # of a larger one that are solved by a task: with d = 4096, 0.3 GB of anchors
MATRICES = 8  # of float64: the sum, its factor, the inverse, what LAPACK works on
COPIES = 4  # of a block in float64: the anchors, their and the head's rows in float32, the encoded file
WEIGHT = {"float32": 4, "bfloat16": 2}  # bytes
GB = 1e9


@dataclass(frozen=True)
class Need:
    """Bytes that a fit holds at its peak, and what is computed from its predictions at its own."""

    fit: PlannedFit
    training: int
    """That grow with the training rows."""
    evaluation: int
    """That grow with the rows predicted."""

    @property
    def bytes(self) -> int:
        return self.training + self.evaluation


def needs(plan: Plan, pair: ModelDatasetPlan) -> Iterator[Need]:
    """Yield what each fit that is not there needs; nothing where the rows of the data set are not known yet."""
    if plan.published(pair.examples):
        missing = (fit for fit in pair.fits if not plan.published(fit.predictions))
        yield from (need for fit in missing if (need := _need(plan, pair, fit)))


def require_memory(
    plan: Plan, pair: ModelDatasetPlan, keys: Collection[str] | None = None, free: int | None = None
) -> int:
    """Return the most bytes that a fit (of these keys) needs. Raise DataError where it is more than there is.

    free: what there is, by default the memory that this process can still take.
    """
    free = available_memory() if free is None else free
    wanted = [need for need in needs(plan, pair) if keys is None or need.fit.predictions.key in keys]
    for need in wanted:
        if need.bytes > free:
            most, limit = "test rows", "'limits.test', or the number of 'seeds',"
            if need.training > need.evaluation:
                most, limit = "training rows", "'limits.train', or the number of 'layers',"
            raise DataError(
                f"{need.fit.name} at {shots_text(need.fit.shots)} of dataset {pair.dataset.name!r} needs about"
                f" {need.bytes / GB:.1f} GB of memory, most of it for the {most}, and {free / GB:.1f} GB are available:"
                f" lower {limit} in experiment {plan.experiment.name!r}, or run it where there is more memory"
            )
    return max((need.bytes for need in wanted), default=0)


def extraction_bytes(model: ModelCard, spec: SplitSpec, rows: int, device: str = "auto") -> int:
    """Return the bytes of a model's weights and of what is stored of a shard of `rows`, before chunks are averaged."""
    return weight_bytes(model, spec.dtype, device) + 4 * rows * spec.max_chunks * spec.columns(model.hidden_size)


def solving_bytes(model: ModelCard, device: str = "auto") -> int:
    """Return the bytes of a model's weights, and of its head and anchors in float64."""
    return weight_bytes(model, device=device) + 2 * 8 * model.vocabulary_size * model.hidden_size


def block_bytes(model: ModelCard) -> int:
    """Return the bytes of the d × d matrices that a head's inverse takes, or of a block of its anchors: the larger."""
    width = model.hidden_size
    return 8 * max(MATRICES * width**2, width**2 + COPIES * ANCHOR_ROWS * width)


def weight_bytes(model: ModelCard, dtype: Literal["float32", "bfloat16"] = "float32", device: str = "auto") -> int:
    """Return the bytes of a model's weights that are in memory on a device, which may leave some on the disk."""
    whole, limit = model.parameters * WEIGHT[dtype], offload_limit(device)
    return whole if limit is None else min(whole, limit)


def _need(plan: Plan, pair: ModelDatasetPlan, fit: PlannedFit) -> Need | None:
    spec = fit.predictions.spec
    if not isinstance(spec, StoredFitSpec):
        return None
    info = method_info(next(each.method for each in plan.experiment.methods if each.name == fit.name))
    steps = {step.key: step.spec for step in pair.extracted}
    read = {ref.split: steps[ref.key] for ref in spec.states}
    rows = {split: prompt_count(plan.home, states) for split, states in read.items()}
    classes, seeds = pair.dataset.classes, len(spec.seeds)
    stored = read["test"].columns(pair.model.hidden_size)
    used = stored if info.takes_layers or not info.fixed_width else min(stored, pair.model.hidden_size)
    labeled = 0
    if info.needs_labels and spec.shots != 0:
        groups = classes + (pair.dataset.label_kind == "multi")  # and rows without a label
        labeled = rows["train"] if spec.shots == "all" else min(rows["train"], spec.shots * groups)
    others = rows.get(info.background, 1)
    given = labeled + others
    kept = sum(read_bytes(4 * stored * count) for split, count in rows.items() if split not in ("validation", "test"))
    chosen = labeled * (spec.shots != "all")
    beside = min(seeds, max(1, STATES_LIMIT // (4 * used * given)))
    training = kept + 4 * stored * chosen * seeds + beside * info.fit_bytes(labeled, others, used, classes)
    predicted = [count for split, count in rows.items() if split in ("validation", "test")]
    size = 4 * stored * max(predicted)
    block = BLOCKS * (size if size <= MAX_CACHED_BYTES else BLOCK)
    answers = sum(predicted) * seeds * (ANSWER + 8 * classes)
    metrics = max(predicted) * seeds * 8 * (TERMS + 4 * classes)
    return Need(fit, training, block + max(answers, metrics))
