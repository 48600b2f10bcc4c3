"""A recorded run as a submission: identities, keys with their payloads, and each seed's predictions on test data."""

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path, PurePath
from typing import Any, BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.steps.spec import keys_of
from tasks.steps.specs import FitSpec
from tasks.views.submission_schema import FORMAT, LARGEST, VERSION
from vocabsem.errors import BadInput
from vocabsem.example_hashes import example_hash, split_hash
from vocabsem.metrics import METRICS
from vocabsem.protocol import PROTOCOLS, card_departures, example_departures
from warehouse.catalog import reads
from warehouse.home import Home
from warehouse.lake.atomic import replaced
from warehouse.lake.keys import partition_key
from warehouse.lake.partition import Lake

Row = dict[str, Any]


def make_submission(home: Home, run: str) -> Row:
    """Return the submission of a run, by its key, in JSON's types.

    Raises BadInput where its predictions are more than a submission may hold, NotPublished for what was removed.
    """
    used = {row["key"]: row | {name: json.loads(row[name]) for name in ("facts", "payload", "versions")}
            for row in reads.run_partitions(home, run)}  # fmt: skip
    facts, payload = used[run]["facts"], used[run]["payload"]
    fits = [used[key] for key in keys_of(payload["inputs"], "metrics").values()]
    datasets = {row["what"]: _dataset(home, row) for row in used.values() if row["kind"] == "examples"}
    _check_size(datasets, [used[fit["payload"]["inputs"]["predictions"]] for fit in fits])
    made = [_fit(home, fit, used, datasets, facts.get("unlabeled"), payload.get("controls", [])) for fit in fits]
    for dataset in datasets.values():
        del dataset["ids"]
    card, version = _without_folders(facts["card"]), facts["card"].get("protocol") or max(PROTOCOLS)
    content: Row = {
        "format": FORMAT,
        "version": VERSION,
        "run": run,
        "record": facts | {"card": card},
        "versions": {name: str(each) for name, each in used[run]["versions"].items()},
        "protocol": protocol_claim(card, list(datasets.values()), version),
        "models": [_model(row) for row in used.values() if row["kind"] == "anchors"],
        "datasets": list(datasets.values()),
        "fits": made,
        "partitions": {key: row["payload"] for key, row in used.items()},
    }
    return content | {"sha256": partition_key(content)}


def protocol_claim(card: Mapping[str, Any], datasets: list[Row], version: int) -> Row:
    """Return the version and what departs from it: settings of the card, and examples of splits without a limit."""
    limits = card.get("limits") or {}
    hashes = {
        dataset["name"]: {split: each["hash"] for split, each in dataset["splits"].items() if limits.get(split) is None}
        for dataset in datasets
    }
    departures = card_departures(card, version) + example_departures(hashes, version)
    return {"version": version, "departures": [each._asdict() for each in departures]}


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


def _model(row: Row) -> Row:
    card = row["facts"]["card"]
    return {
        "name": row["what"],
        "source": _without_folders(card["source"]),
        "license": card.get("license") or card.get("licence"),  # codespell:ignore licence
        "digest": row["payload"]["model"],
    }


def _dataset(home: Home, row: Row) -> Row:
    """Return a data set, with the ids of its test examples."""
    facts = row["facts"]
    columns = ["id", "split", "label", "label_name", "fields"]
    table = Lake(home).partition("examples", row["key"], dataset=row["what"]).table(columns)
    hashes, test = split_hashes(table), table.filter(pc.equal(table["split"], "test"))
    return {
        "name": row["what"],
        "examples": row["key"],
        "sources": {split: _without_folders(source) for split, source in facts["sources"].items()},
        "license": facts.get("license") or facts.get("licence"),  # codespell:ignore licence
        "classes": [each["name"] for each in sorted(facts["classes"], key=lambda each: each["label"])],
        "splits": {split: {"rows": len(each), "hash": split_hash(each)} for split, each in hashes.items()},
        "hashes": hashes["test"],
        "labels": test["label"].to_pylist(),
        "ids": test["id"].to_pylist(),
    }


def _fit(
    home: Home, row: Row, used: Mapping[str, Row], datasets: Mapping[str, Row], unlabeled: Any, controls: list[str]
) -> Row:
    where = {name: row["payload"]["coordinates"][name] for name in FitSpec.path_fields}
    table = Lake(home).partition("metrics", row["key"], **where).table()
    stated = [each for each in table.to_pylist() if each["split"] == "test"]
    means = {each["metric"]: each for each in stated if each["seed"] is None and each["metric"] in METRICS}
    predictions = used[row["payload"]["inputs"]["predictions"]]
    seconds = {each["seed"]: each["fit_seconds"] for each in predictions["facts"]["seeds"]}
    ids = datasets[where["dataset"]]["ids"]
    return {
        "key": row["key"],
        **where,
        "control": where["method"] in controls,
        "unlabeled": None if unlabeled is None else where["method"] in unlabeled,
        "metrics": {
            name: {"value": each["value"], "low": each["low"], "high": each["high"], "std": each["spread"]}
            for name, each in means.items()
        },
        "seeds": [
            {
                "seed": seed,
                "metrics": {e["metric"]: e["value"] for e in stated if e["seed"] == seed and e["metric"] in METRICS},
                "fit_seconds": seconds.get(seed),
                "probabilities": b64encode(probabilities.astype("<f4").tobytes()).decode(),
            }
            for seed, probabilities in _probabilities(home, predictions["key"], where, ids)
        ],
    }


def _probabilities(home: Home, key: str, where: Mapping[str, str], ids: list[str]) -> Iterator[tuple[int, Any]]:
    """Yield each seed and its probabilities (N, C), the rows in the order of `ids`."""
    columns = ["id", "split", "seed", "probabilities"]
    table = Lake(home).partition("predictions", key, **where).table(columns)
    table = table.filter(pc.equal(table["split"], "test"))
    place = {name: index for index, name in enumerate(ids)}
    for seed in pc.unique(table["seed"]).to_pylist():
        part = table.filter(pc.equal(table["seed"], seed))
        order = np.array([place[name] for name in part["id"].to_pylist()])
        values = pc.list_flatten(part["probabilities"]).to_numpy().reshape(len(part), -1)
        ordered = np.empty_like(values)
        ordered[order] = values
        yield seed, ordered


def _check_size(datasets: Mapping[str, Row], predictions: list[Row]) -> None:
    size = 0
    for each in predictions:
        dataset = datasets[each["payload"]["coordinates"]["dataset"]]
        size += len(each["facts"]["seeds"]) * len(dataset["labels"]) * len(dataset["classes"]) * 4 * 4 // 3
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
