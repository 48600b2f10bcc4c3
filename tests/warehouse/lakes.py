"""A small lake such as the tasks write: two models, two data sets, every kind of partition."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from warehouse.home import Home
from warehouse.lake.keys import partition_key
from warehouse.lake.manifest import Manifest
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import vectors

MODELS = {"tiny": (4, [1, 2]), "small": (6, [3])}  # width, stored layers
DATASETS = ("mr", "trec")
SPLITS = {"train": 5, "validation": 2, "test": 3}
TOKENS = [" good", " great", " bad", "x'); drop table models; --", " good"]
METRICS = (
    *("accuracy", "macro_f1", "micro_f1", "nll", "ece", "brier", "qwk", "mae", "r2", "spearman", "rmse"),
    *("ari_before", "ari_after", "fit_seconds"),
)
METHODS = {"zero_shot": ["0"], "linear_probe": ["4", "16", "all"]}
SEEDS = (0, 1)
CONTRASTS = [
    ("rival", "linear_probe", "ours", "macro_f1", -0.1, -0.2, 0.0, 0.02, 0.04),
    ("rival", "linear_probe", "ours", "nll", 0.3, 0.1, 0.5, 0.001, 0.002),
    ("anchors over random", "ours", "ours+random", "macro_f1", 0.25, 0.125, 0.375, 0.001, None),
    ("anchors over none", "ours", "ours+none", "macro_f1", 0.5, 0.25, 0.75, 0.001, None),
    ("anchors over head", "ours", "ours+head", "macro_f1", -0.01, -0.03, 0.01, 0.5, None),
]


def text_of(dataset: str, name: str) -> str:
    """The text of an example: one has no apostrophe."""
    return f"{dataset} text {name}, " + ("all fine" if name == "test-2" else "it's fine")


def put(
    lake: Lake,
    kind: str,
    tables: Mapping[str, Any],
    /,
    facts: Mapping[str, Any] | None = None,
    inputs: Mapping[str, str] | None = None,
    checks: Sequence[Any] = (),
    extra: Any = None,
    controls: Sequence[str] = (),
    **coordinates: str,
) -> Manifest:
    """Publish a partition whose payload is its coordinates, its inputs and `extra`. Returns the manifest."""
    payload = {"step": kind, "inputs": inputs or {}, "coordinates": coordinates, "extra": extra}
    payload |= {"controls": list(controls)} if controls else {}
    partition = lake.partition(kind, partition_key(payload), **coordinates)
    files = [
        partition.write_bytes(name, content) if isinstance(content, bytes) else partition.write_table(name, content)
        for name, content in tables.items()
    ]
    return partition.publish(files, payload=payload, facts=facts, inputs=inputs, checks=checks)


def state(model: str, dataset: str, split: str, layer: int) -> NDArray[np.float32]:
    """(N, d) states, the same at every call and no two alike."""
    width, _ = MODELS[model]
    seed = [list(MODELS).index(model), DATASETS.index(dataset), list(SPLITS).index(split), layer]
    return np.random.default_rng(seed).standard_normal((SPLITS[split], width)).astype(np.float32)


def anchor(model: str) -> NDArray[np.float32]:
    """(V, d) anchors."""
    width, layers = MODELS[model]
    return np.random.default_rng(layers).standard_normal((len(TOKENS), width)).astype(np.float32)


def score(model: str, dataset: str, method: str, shots: str, metric: str, seed: int) -> float:
    """A figure that no other cell has."""
    cell = [list(MODELS).index(model), DATASETS.index(dataset), list(METHODS).index(method), len(shots) + len(metric)]
    return float(np.random.default_rng([*cell, METRICS.index(metric), seed]).uniform())


def put_examples(lake: Lake, dataset: str, extra: Any = None) -> Manifest:
    ids, splits = zip(*[(f"{split}-{i}", split) for split, n in SPLITS.items() for i in range(n)], strict=True)
    table = pa.table(
        {
            "id": pa.array(ids),
            "split": pa.array(splits),
            "label": pa.array([i % 2 for i in range(len(ids))], pa.int32()),
            "label_name": [("negative", "positive")[i % 2] for i in range(len(ids))],
            "text": [text_of(dataset, name) for name in ids],
            "fields": pa.array([[("text", name)] for name in ids], pa.map_(pa.string(), pa.string())),
        }
    )
    facts = {
        "description": f"the {dataset} set",
        "license": "CC0",
        "citation": None,
        "template": 'review: "{text}"\nsentiment:',
        "sources": {"all": f"file:{dataset}.csv"},
        "classes": [
            {"label": i, "name": n, "word": w} for i, (n, w) in enumerate([("negative", "bad"), ("pos", "good")])
        ],
        "rows": SPLITS,
    }
    check = {"name": "unique ids", "passed": True, "detail": f"{len(ids)} rows"}
    return put(lake, "examples", {"part-0.parquet": table}, facts=facts, checks=[check], extra=extra, dataset=dataset)


def put_states(lake: Lake, model: str, dataset: str, examples: Manifest, extra: Any = None) -> dict[str, Manifest]:
    """One manifest a split; training states lie in two parts."""
    _, layers = MODELS[model]
    manifests = {}
    for split, rows in SPLITS.items():
        columns = {f"layer_{layer}": vectors(state(model, dataset, split, layer)) for layer in layers}
        table = pa.table(
            {
                "id": [f"{split}-{i}" for i in range(rows)],
                "label": pa.array([i % 2 for i in range(rows)], pa.int32()),
                "tokens": pa.array(range(rows), pa.int32()),
                "truncated": pa.array([False] * rows),
                **columns,
            }
        )
        cut = 3 if split == "train" else rows
        parts = {f"part-{a:08d}-{b:08d}.parquet": table[a:b] for a, b in ((0, cut), (cut, rows)) if a < b}
        manifests[split] = put(
            lake,
            "states",
            parts,
            facts={"layers": layers},
            inputs={"examples": examples.key},
            extra=extra,
            model=model,
            dataset=dataset,
            split=split,
        )
    return manifests


def put_anchors(lake: Lake, model: str, gauge: str = "raw") -> Manifest:
    width, layers = MODELS[model]
    rows = anchor(model)
    table = pa.table(
        {
            "token_id": pa.array(range(len(rows)), pa.int32()),
            "token": TOKENS,
            "leverage": pa.array(np.linspace(0, 1, len(rows))),
            "norm": pa.array(np.linalg.norm(rows.astype(np.float64), axis=1)),
            "head_norm": pa.array(np.ones(len(rows))),
            "bias": pa.array(np.zeros(len(rows), np.float32)),
            "anchor": vectors(rows if gauge == "raw" else -rows[::-1].copy()),
            "head": vectors(rows),
        }
    )
    card: dict[str, Any] = {
        "description": f"the {model} model",
        "source": "hf:x/y@z",
        "license": "MIT",
        "citation": None,
    }
    card |= {"parameters": 10**6, "layers": max(layers), "hidden_size": width, "vocabulary_size": len(rows)}
    facts = {"condition": 12.5, "residual": 1e-12, "rank": width, "gauge": gauge, "solver": "cholesky", "card": card}
    return put(lake, "anchors", {"part-00000000-00000005.parquet": table}, facts=facts, model=model, extra=gauge)


def put_fit(
    lake: Lake,
    model: str,
    dataset: str,
    method: str,
    shots: str,
    states: Mapping[str, Manifest],
    anchors: Manifest,
    extra: Any = None,
) -> Manifest:
    """Calibrator, predictions and metrics. Returns the manifest of the metrics."""
    where: dict[str, Any] = {"model": model, "dataset": dataset, "method": method, "shots": shots}
    inputs = {f"states:{split}": manifest.key for split, manifest in states.items()} | {"anchors": anchors.key}
    rows = [(f"{s}-{i}", s, seed, i % 2) for seed in SEEDS for s in ("validation", "test") for i in range(SPLITS[s])]
    ids, splits, seeds, labels = zip(*rows, strict=True)
    predictions = pa.table(
        {
            "id": ids,
            "split": splits,
            "seed": pa.array(seeds, pa.int32()),
            "label": pa.array(labels, pa.int32()),
            "predicted": pa.array([0] * len(ids), pa.int32()),
            "probabilities": pa.array([[0.75, 0.25]] * len(ids), pa.list_(pa.float32())),
        }
    )
    training = pa.table({"seed": pa.array([0], pa.int32()), "id": ["train-0"]})
    tables = {"part-0.parquet": predictions, "training.parquet": training}
    made = put(lake, "predictions", tables, inputs=inputs, extra=extra, **where)
    weights = lake.partition("calibrators", made.key, **where)
    weights.publish([weights.write_bytes("seed-0.safetensors", b"\0" * 64)], payload=made.payload, inputs=inputs)
    figures: list[tuple[Any, ...]] = []
    for split in ("validation", "test"):
        for metric in METRICS:
            values = [score(model, dataset, method, shots, metric, seed) + (split == "validation") for seed in SEEDS]
            figures += [(split, seed, metric, v, v - 0.1, v + 0.1, None) for seed, v in zip(SEEDS, values, strict=True)]
            mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
            figures.append((split, None, metric, mean, mean - 0.05, mean + 0.05, spread))
    names = ["split", "seed", "metric", "value", "low", "high", "spread"]
    types = [pa.string(), pa.int32(), pa.string()] + [pa.float64()] * 4
    schema = pa.schema(list(zip(names, types, strict=True)))
    table = pa.Table.from_pylist([dict(zip(names, figure, strict=True)) for figure in figures], schema)
    return put(lake, "metrics", {"part-0.parquet": table}, inputs={"predictions": made.key}, extra=extra, **where)


def put_comparisons(
    lake: Lake,
    model: str,
    dataset: str,
    shots: str,
    rows: Sequence[Sequence[Any]],
    inputs: Mapping[str, str] | None = None,
    extra: Any = None,
) -> Manifest:
    """`rows`: question, method, reference, metric, difference, low, high, p, p_holm."""
    texts, numbers = ("question", "method", "reference", "metric"), ("difference", "low", "high", "p", "p_holm")
    schema = pa.schema([(name, pa.string()) for name in texts] + [(name, pa.float64()) for name in numbers])
    table = pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)
    where: dict[str, Any] = {"model": model, "dataset": dataset, "shots": shots}
    return put(lake, "comparisons", {"part-0.parquet": table}, inputs=inputs, extra=extra, **where)


def put_run(
    lake: Lake,
    experiment: str,
    metrics: Iterable[Manifest],
    comparisons: Iterable[Manifest] = (),
    extra: Any = None,
    card: Mapping[str, Any] | None = None,
    unlabeled: Sequence[str] | None = None,
) -> Manifest:
    facts: dict[str, Any] = {} if unlabeled is None else {"unlabeled": list(unlabeled)}
    facts |= {
        "experiment": experiment,
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 12.5,
        "mlflow_run_id": "abc",
        "prefect_flow_run_id": None,
        "machine": "Linux x86_64",
        "git_commit": "0" * 40,
        "card": card,
    }
    inputs = {f"metrics:{i}": manifest.key for i, manifest in enumerate(metrics)}
    inputs |= {f"comparisons:{i}": manifest.key for i, manifest in enumerate(comparisons)}
    return put(lake, "runs", {}, facts=facts, inputs=inputs, extra=extra, experiment=experiment)


def fill(home: Home) -> dict[tuple[str, str, str, str], Manifest]:
    """The whole lake. Returns the metrics of each (model, dataset, method, shots)."""
    lake = Lake(home)
    metrics: dict[tuple[str, str, str, str], Manifest] = {}
    comparisons: list[Manifest] = []
    examples = {dataset: put_examples(lake, dataset) for dataset in DATASETS}
    for model in MODELS:
        anchors = put_anchors(lake, model)
        for dataset in DATASETS:
            states = put_states(lake, model, dataset, examples[dataset])
            for method, all_shots in METHODS.items():
                for shots in all_shots:
                    cell = (model, dataset, method, shots)
                    metrics[cell] = put_fit(lake, *cell, states, anchors)
            for shots in METHODS["linear_probe"]:
                used = {"predictions:0": metrics[model, dataset, "linear_probe", shots].inputs["predictions"]}
                comparisons.append(put_comparisons(lake, model, dataset, shots, CONTRASTS, used))
    put_run(lake, "quickstart", metrics.values(), comparisons)
    return metrics
