"""A recorded run as a submission: identities, keys with their payloads, and each seed's predictions on test data."""

import gzip
import json
from base64 import b64encode
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path, PurePath
from typing import Any, BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.steps.facts import AnchorsFacts, ExamplesFacts, FitFacts, RunFacts, facts_of
from tasks.steps.label_columns import read_labels
from tasks.steps.result_specs import MetricsSpec, RunSpec
from tasks.steps.specs import AnchorsSpec
from tasks.views.recorded_run import Predictions, RecordedPartition, RecordedRun, Row
from tasks.views.submission_schema import FORMAT, LARGEST, VERSION
from vocabsem.datasets.example_hashes import example_hash, split_hash
from vocabsem.datasets.label_values import is_continuous
from vocabsem.errors import BadInput
from vocabsem.evaluation.kind_metrics import metric_names
from vocabsem.evaluation.protocol import card_deviations, example_deviations, protocol_of
from warehouse.home import Home
from warehouse.lake.atomic import replaced
from warehouse.lake.keys import partition_key


def make_submission(home: Home, key: str) -> Row:
    """Return the submission of a run, by its key, in JSON's types.

    Raises BadInput where its predictions are more than a submission may hold, NotPublished for what was removed.
    """
    run = RecordedRun(home, key)
    datasets = {row.what: _dataset(run, row) for row in run.of_kind("examples")}
    _check_size(run, datasets)
    fits = [_fit(run, fit, datasets) for fit in run.fits]
    for dataset in datasets.values():
        del dataset["ids"]
    card = _without_folders(facts_of(run.record, RunFacts).card)
    content: Row = {
        "format": FORMAT,
        "version": VERSION,
        "run": key,
        "record": run.record.facts | {"card": card},
        "versions": {name: str(each) for name, each in run.record.versions.items()},
        "protocol": protocol_claim(card, list(datasets.values()), protocol_of(card)),
        "models": list({row.what: _model(row) for row in run.of_kind("anchors")}.values()),
        "datasets": list(datasets.values()),
        "fits": fits,
        "partitions": {key: row.payload for key, row in run.partitions.items()},
    }
    return content | {"sha256": partition_key(content)}


def protocol_claim(card: Mapping[str, Any], datasets: list[Row], version: int) -> Row:
    """Return the version and what deviates from it: settings of the card, and examples of splits without a limit."""
    limits = card.get("limits") or {}
    hashes = {
        dataset["name"]: {split: each["hash"] for split, each in dataset["splits"].items() if limits.get(split) is None}
        for dataset in datasets
    }
    deviations = card_deviations(card, version) + example_deviations(hashes, version)
    return {"version": version, "deviations": [each._asdict() for each in deviations]}


def write_submission(content: Row, output: Path) -> None:
    """Write it whole or not at all, compressed where the name ends in .gz."""
    with replaced(output) as temporary, temporary.open("wb") as file:
        data = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        if output.suffix == ".gz":
            with closing(gzip.GzipFile("", "wb", fileobj=file, mtime=0)) as compressed:
                cast("BinaryIO", compressed).write(data)
        else:
            file.write(data)


def split_hashes(table: pa.Table) -> dict[str, list[str]]:
    """Return the hashes of examples, by split: of the columns split, label_name and fields."""
    hashes: dict[str, list[str]] = {}
    for split, label, fields in zip(
        *(table[name].to_pylist() for name in ("split", "label_name", "fields")), strict=True
    ):
        hashes.setdefault(split, []).append(example_hash(dict(fields), label))
    return hashes


def _model(row: RecordedPartition) -> Row:
    card = facts_of(row, AnchorsFacts).card
    return {
        "name": row.what,
        "source": _without_folders(card["source"]),
        "license": card.get("license", "not recorded"),
        "digest": AnchorsSpec.parse(row.payload).digest,
    }


def _dataset(run: RecordedRun, row: RecordedPartition) -> Row:
    """Return a data set, with the ids of its test examples."""
    facts = facts_of(row, ExamplesFacts)
    table = run.examples(row.what, ["id", "split", "label", "label_name", "fields"])
    hashes, test = split_hashes(table), table.filter(pc.equal(table["split"], "test"))
    labels = read_labels(test)
    several, numbers = labels.ndim == 2, is_continuous(labels)
    return {
        "name": row.what,
        "examples": row.key,
        "sources": {split: _without_folders(source) for split, source in facts.sources.items()},
        "license": facts.license,
        "classes": [each.name for each in sorted(facts.classes, key=lambda each: each.label)],
        "splits": {split: {"rows": len(each), "hash": split_hash(each)} for split, each in hashes.items()},
        "hashes": hashes["test"],
        "labels": [] if several or numbers else labels.tolist(),
        **({"label_sets": [np.flatnonzero(each).tolist() for each in labels]} if several else {}),
        **({"label_values": labels.tolist()} if numbers else {}),
        "ids": test["id"].to_pylist(),
    }


def _fit(run: RecordedRun, fit: RecordedPartition, datasets: Mapping[str, Row]) -> Row:
    where, unlabeled = run.where(fit), facts_of(run.record, RunFacts).unlabeled
    names = metric_names(MetricsSpec.parse(fit.payload).label_kind)
    stated = [row for row in run.metrics(fit) if row["split"] == "test" and row["metric"] in names]
    means = {row["metric"]: row for row in stated if row["seed"] is None}
    seconds = {seed.seed: seed.fit_seconds for seed in facts_of(run.predictions_of(fit), FitFacts).seeds}
    return {
        "key": fit.key,
        **where,
        "control": where["method"] in RunSpec.parse(run.record.payload).controls,
        "unlabeled": None if unlabeled is None else where["method"] in unlabeled,
        "metrics": {
            name: {"value": row["value"], "low": row["low"], "high": row["high"], "std": row["spread"]}
            for name, row in means.items()
        },
        "seeds": [
            {
                "seed": seed,
                "metrics": {row["metric"]: row["value"] for row in stated if row["seed"] == seed},
                "fit_seconds": seconds.get(seed),
                **_predictions(predicted),
            }
            for predicted in run.predictions(fit, "test", datasets[where["dataset"]]["ids"])
            for seed in [predicted.seed]
        ],
    }


def _predictions(of_seed: Predictions) -> Row:
    """Return what a seed predicts, in Base64."""
    _, probabilities, predicted = of_seed
    if probabilities is None:
        assert predicted is not None
        return {"probabilities": "", "values": b64encode(predicted.astype("<f8").tobytes()).decode()}
    sets = {} if predicted is None else {"predicted": b64encode(np.packbits(predicted).tobytes()).decode()}
    return {"probabilities": b64encode(probabilities.astype("<f4").tobytes()).decode(), **sets}


def _check_size(run: RecordedRun, datasets: Mapping[str, Row]) -> None:
    size = 0
    for fit in run.fits:
        dataset, seeds = datasets[run.where(fit)["dataset"]], run.fit_spec(fit).seeds
        size += len(seeds) * len(dataset["ids"]) * len(dataset["classes"]) * 4 * 4 // 3  # float32, in Base64
    if size > LARGEST:
        raise BadInput(
            f"the predictions of this run take {size >> 20} MiB, a submission holds {LARGEST >> 20}: run and submit"
            " fewer data sets or methods at a time, as in --set 'datasets=[trec]'"
        )


def _without_folders(value: Any) -> Any:
    """Return a value of a card; of a path of this machine, the name alone."""
    if isinstance(value, dict):
        return {name: _without_folders(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_folders(each) for each in value]
    if isinstance(value, str):
        scheme, path = ("file:", value[5:]) if value.startswith("file:") else ("", value)
        return f"{scheme}{PurePath(path).name}" if PurePath(path).is_absolute() else value
    return value
