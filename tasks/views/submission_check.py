"""What a submission states against what its predictions, payloads and hashes give."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.views.submission import protocol_claim
from tasks.views.submission_predictions import decode_probabilities, true_labels
from tasks.views.submission_schema import DatasetIdentity, Fit, ReadSubmission, Submission
from vocabsem.datasets.example_hashes import split_hash
from vocabsem.errors import DataError
from vocabsem.evaluation.kind_metrics import metric_names
from vocabsem.evaluation.metrics import mean_and_std
from vocabsem.evaluation.resampling import resample
from warehouse.errors import InvalidName
from warehouse.lake.keys import partition_key
from warehouse.roles import by_role, keys_of

TOLERANCE = 1e-9  # sums of at most a million terms near 1, in another order, differ by less; relative above 1
NONE = "none"


@dataclass(frozen=True)
class Mismatch:
    """What does not agree."""

    where: str
    stated: object
    recomputed: object

    def __str__(self) -> str:
        return f"{self.where}: stated {self.stated}, recomputed {self.recomputed}"


def mismatches(read: ReadSubmission) -> Iterator[Mismatch]:
    """Yield whatever of a submission does not agree with the rest of it: hashes first, then fit after fit."""
    submission = read.submission
    datasets = {dataset.name: dataset for dataset in submission.datasets}
    yield from _whole(read)
    yield from _keys(read)
    yield from _listed(submission)
    for dataset in submission.datasets:
        yield from _dataset(dataset)
    yield from _protocol(read)
    for fit in submission.fits:
        yield from _identity(submission, fit)
        yield from _metrics(submission, fit, datasets.get(fit.dataset))


def _whole(read: ReadSubmission) -> Iterator[Mismatch]:
    content = {name: value for name, value in read.content.items() if name != "sha256"}
    if (made := _key(content)) != read.submission.sha256:
        yield Mismatch("sha256 of the whole", read.submission.sha256, made)


def _key(value: Mapping[str, Any]) -> str:
    try:
        return partition_key(value)
    except InvalidName as error:
        return f"{NONE} ({error})"


def _keys(read: ReadSubmission) -> Iterator[Mismatch]:
    """Yield payloads that are not those of their keys, and inputs whose payload is not there."""
    partitions = read.submission.partitions
    for key, payload in partitions.items():
        if (made := _key(read.content["partitions"][key])) != key:
            yield Mismatch(f"key of the payload of {payload.step}", key, made)
        for role, other in payload.inputs.items():
            if other not in partitions:
                yield Mismatch(f"payload of {role} of {payload.step} {key[:12]}", other, "missing")
    if read.submission.run not in partitions:
        yield Mismatch("payload of the run", read.submission.run, "missing")


def _listed(submission: Submission) -> Iterator[Mismatch]:
    """Yield fits, data sets and models that the payloads of the run have otherwise than the lists."""
    payloads = submission.partitions
    run = payloads.get(submission.run)
    of = {step: [key for key, each in payloads.items() if each.step == step] for step in ("examples", "anchors")}
    fits = Counter(fit.key for fit in submission.fits)
    datasets = Counter(f"{each.name}, {each.examples}" for each in submission.datasets)
    models = Counter(f"{each.name}, {each.digest}" for each in submission.models)
    named = {key: payloads[key].coordinates for key in (*of["examples"], *of["anchors"])}
    digests = {f"{named[key].get('model')}, {payloads[key].model}" for key in of["anchors"]}
    pairs = {
        "fit": (fits, Counter(keys_of(by_role(run.inputs), "metrics").values() if run else ())),
        "data set": (datasets, Counter(f"{named[key].get('dataset')}, {key}" for key in of["examples"])),
        "model": (models, Counter(digests)),
    }
    for what, (stated, made) in pairs.items():
        for each in stated | made:
            if stated[each] != made[each]:
                yield Mismatch(f"{what} {each}", f"{stated[each]} times", f"{made[each]} times in the run's payloads")


def _dataset(dataset: DatasetIdentity) -> Iterator[Mismatch]:
    test = dataset.splits.get("test")
    stated = (test.rows, test.hash) if test else (0, NONE)
    made = (len(dataset.hashes), split_hash(dataset.hashes))
    if stated != made:
        yield Mismatch(f"test examples of {dataset.name}", f"{stated[0]}, {stated[1]}", f"{made[0]}, {made[1]}")
    given = (dataset.labels, dataset.label_sets or (), dataset.label_values or ())
    if (labeled := sum(map(len, given))) != len(dataset.hashes):
        yield Mismatch(f"labels of {dataset.name}", labeled, f"{len(dataset.hashes)} examples")


def _protocol(read: ReadSubmission) -> Iterator[Mismatch]:
    stated, card = read.content["protocol"], read.submission.record.get("card")
    try:
        made = protocol_claim(card or {}, read.content["datasets"], stated["version"])
    except (KeyError, TypeError, AttributeError):
        yield Mismatch("card of the record", "an experiment card", NONE)
        return
    if made != stated:
        yield Mismatch("protocol", _parts(stated), _parts(made))


def _parts(claim: Mapping[str, Any]) -> str:
    return "; ".join(f"{e['part']}: {e['given']} instead of {e['expected']}" for e in claim["deviations"]) or "followed"


def _identity(submission: Submission, fit: Fit) -> Iterator[Mismatch]:
    """Yield what a fit's payloads have otherwise: names, seeds, whether it is a control."""
    partitions, run = submission.partitions, submission.partitions.get(submission.run)
    if not (metrics := partitions.get(fit.key)):
        return  # named by `_listed`
    named = {"model": fit.model, "dataset": fit.dataset, "method": fit.method, "shots": fit.shots}
    if metrics.coordinates != named:
        yield Mismatch(f"fit {fit.key[:12]}", named, metrics.coordinates)
    predictions = partitions.get(metrics.inputs.get("predictions", ""))
    seeds = [unit.seed for unit in fit.seeds]
    if predictions and predictions.seeds != seeds:
        yield Mismatch(f"{fit.title}: seeds", seeds, predictions.seeds)
    control = fit.method in ((run.controls if run else None) or [])
    if fit.control != control:
        yield Mismatch(f"{fit.title}: control", fit.control, control)


def _metrics(submission: Submission, fit: Fit, dataset: DatasetIdentity | None) -> Iterator[Mismatch]:
    """Yield metrics of the seeds, their means, deviations and intervals that the predictions do not give."""
    if dataset is None:
        yield Mismatch(f"{fit.title}: data set", fit.dataset, "missing")
        return
    payload = submission.partitions.get(fit.key)
    kind = payload.label_kind if payload else "nominal"
    names = metric_names(kind)
    try:
        answers = np.stack([decode_probabilities(unit, dataset, kind) for unit in fit.seeds])
        labels = true_labels(dataset, kind)
        samples = resample(labels, answers, metrics=names, by_class=kind != "choice")
    except DataError as error:
        yield Mismatch(f"{fit.title}: probabilities", f"of {len(dataset.hashes)} examples", error)
        return
    for index, unit in enumerate(fit.seeds):
        made = {name: float(sample.values[index]) for name, sample in samples.items()}
        yield from _compared(f"{fit.title}, seed {unit.seed}", unit.metrics, made)
    for name in names:
        stated = fit.metrics.get(name)
        mean, std = mean_and_std([float(value) for value in samples[name].values])
        low, high = samples[name].interval()
        of = {"value": mean, "low": low, "high": high, "std": std}
        yield from _compared(f"{fit.title}: {name}", stated.model_dump() if stated else {}, of)
    for name in fit.metrics.keys() - set(names):
        yield Mismatch(f"{fit.title}: {name}", fit.metrics[name].value, NONE)


def _compared(where: str, stated: Mapping[str, float], made: Mapping[str, float]) -> Iterator[Mismatch]:
    for name in {**stated, **made}:
        one, other = stated.get(name), made.get(name)
        if one is None or other is None or not _equal(one, other):
            yield Mismatch(f"{where}: {name}", NONE if one is None else one, NONE if other is None else other)


def _equal(one: float, other: float) -> bool:
    """Whether they are one finite number, but for rounding."""
    return math.isfinite(other) and abs(one - other) <= TOLERANCE * max(1, abs(other))
