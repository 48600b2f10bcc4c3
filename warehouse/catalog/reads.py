"""What flows and tasks read from the catalog: one typed function for each file of `sql/reads`.

Rows are dicts of plain Python values, by column. All raise what `catalog.query` raises.
"""

from typing import Any

import pyarrow as pa

from warehouse.catalog.catalog import query
from warehouse.catalog.statements import statement
from warehouse.home import Home

Row = dict[str, Any]


def leaderboard(home: Home, experiment: str | None = None, dataset: str | None = None) -> pa.Table:
    """Return the leaderboard of the latest runs: the columns of the view `leaderboard`, best first in each data set."""
    return _read(home, "leaderboard", experiment=experiment, dataset=dataset)


def leaderboard_datasets(home: Home) -> list[tuple[str, str]]:
    """Return the (experiment, data set) pairs that the leaderboard has rows of."""
    return [(row["experiment"], row["dataset"]) for row in _rows(home, "leaderboard_datasets")]


def run_scores(home: Home, run: str) -> list[Row]:
    """Return one row a fit of a run, the best macro-F1 on test data of each data set first.

    Columns: those of the leaderboard, run, latest, shots_order, key (of the metrics), validation_macro_f1 and rank
    (1 is the best of its model and data set: the highest macro-F1, of equals the lowest NLL, then the most labels).
    """
    return _rows(home, "run_scores", run=run)


def best_by_validation(home: Home, run: str) -> list[Row]:
    """Return the fits of a run in the order of macro-F1 on validation data, by data set and model, controls aside.

    Columns: experiment, run, latest, model, dataset, method, shots, shots_order, validation_macro_f1, validation_nll,
    macro_f1, macro_f1_low, macro_f1_high (on test data), key (of the metrics), servable, rank (1 is the best of its
    model and data set; equals as in `run_scores`), champion_rank (the same among servable fits of a data set over all
    models, else None).
    """
    return _rows(home, "best_by_validation", run=run)


def run_ranks(home: Home, run: str) -> list[Row]:
    """Return the average ranks of a run over its data sets, none where it has only one.

    Columns: those of `ranks`, experiment, run and latest.
    """
    return _rows(home, "run_ranks", run=run)


def run_wins(home: Home, run: str, reference: str) -> list[Row]:
    """Return on how many data sets each method of a run wins, ties and loses against one; none with one data set.

    Columns: model, shots, shots_order, method, reference, datasets, wins, ties, losses, difference (of macro-F1, mean),
    p (Wilcoxon's signed-rank test over the data sets), p_holm (over the methods at this number of shots).
    """
    return _rows(home, "run_wins", run=run, reference=reference)


def run_method_costs(home: Home, run: str) -> list[Row]:
    """Return what the methods of a run score and cost, each at the most labels that it was fitted with.

    Columns: model, method, shots, datasets, and means over these: macro_f1, text_milliseconds, fit_seconds,
    state_bytes, method_bytes; None where nothing is stored.
    """
    return _rows(home, "run_method_costs", run=run)


def run_comparisons(home: Home, run: str) -> list[Row]:
    """Return the paired comparisons by macro-F1 of a run: the columns of `comparisons`, experiment and run."""
    return _rows(home, "run_comparisons", run=run)


def run_word_gaps(home: Home, run: str) -> list[Row]:
    """Return the latest diagnostics of label words of several tokens, of the models and data sets of a run.

    Columns: model, dataset, subject, states, metric, value.
    """
    return _rows(home, "run_word_gaps", run=run)


def run_sensitivity(home: Home, run: str) -> list[Row]:
    """Return what macro-F1 owes to each choice in a run: the columns of `sensitivity`, run and latest."""
    return _rows(home, "run_sensitivity", run=run)


def gains_over_controls(
    home: Home, run: str | None = None, experiment: str | None = None, dataset: str | None = None, first: str = ""
) -> list[Row]:
    """Return the comparisons with random anchors, or none, of a run, or of the latest run of each experiment.

    first: the method whose rows, variants included, come first. Columns: as of `run_comparisons`.
    """
    return _rows(home, "gains_over_controls", run=run, experiment=experiment, dataset=dataset, first=first)


def latest_run(home: Home, experiment: str) -> Row | None:
    """Return the latest run of an experiment, None if none is finished.

    Columns: key, experiment, started, seconds, machine, git_commit, mlflow_run_id, card (JSON).
    """
    return next(iter(_rows(home, "latest_run", experiment=experiment)), None)


def latest_records(home: Home) -> list[Row]:
    """Return the records of the latest runs, one an experiment: the columns of `run_partitions`."""
    return _rows(home, "latest_records")


def find_runs(home: Home, given: str) -> list[Row]:
    """Return the latest run of the experiment of this name, and the runs whose keys begin so (4 characters at least).

    Columns: key, experiment, started, latest.
    """
    return _rows(home, "find_runs", given=given)


def paired_fits(home: Home, first: str, second: str) -> list[Row]:
    """Return the fits of two runs, by their keys, side by side.

    Columns: model, dataset, method, shots, first_key, second_key (of the predictions; None where only the other run has
    the fit), first_examples, second_examples (keys).
    """
    return _rows(home, "paired_fits", first=first, second=second)


def experiments(home: Home) -> list[str]:
    """Return the experiments that have a finished run."""
    return _column(home, "experiments")


def run_fits(home: Home, run: str) -> list[Row]:
    """Return the fits of a run, in each model and data set as `best_by_validation` has them, then by test scores.

    Columns: model, dataset, method, shots, key (of the predictions), rank (None for a control, and without validation
    data), validation and test (macro-F1).
    """
    return _rows(home, "run_fits", run=run)


def run_partitions(home: Home, run: str) -> list[Row]:
    """Return every partition in the lineage of a run, itself included.

    Columns: kind, what (its coordinates in words), key, created, facts, payload and versions (JSON).
    """
    return _rows(home, "run_partitions", run=run)


def run_costs(home: Home, run: str) -> list[Row]:
    """Return what the partitions of each kind behind a run hold and took.

    Columns: kind, partitions, rows, megabytes, tokens, truncated, seconds.
    """
    return _rows(home, "run_costs", run=run)


def diagnostics(home: Home, keys: list[str]) -> pa.Table:
    """Return the values of the diagnostics with these keys: the columns of `diagnostics` but key and latest."""
    return _read(home, "diagnostics", keys=keys)


def study_values(home: Home, key: str) -> pa.Table:
    """Return the values of a study: the columns of `study_values` but key and latest, and beside_null."""
    return _read(home, "study_values", key=key)


def latest_studies(home: Home) -> list[Row]:
    """Return the latest values of every study card: the columns of `study_values` but latest, and beside_null."""
    return _rows(home, "latest_studies")


def label_names(home: Home, dataset: str) -> list[str]:
    """Return the classes of a data set, in the order of their numbers."""
    return _column(home, "label_names", dataset=dataset)


def example(home: Home, dataset: str, id: str) -> tuple[dict[str, str], str] | None:
    """Return the fields of a stored example and the name of its class, None if it is not stored."""
    rows = _rows(home, "example", dataset=dataset, id=id)
    return (dict(rows[0]["fields"]), rows[0]["label_name"]) if rows else None


def short_example(home: Home, dataset: str, length: int = 60) -> dict[str, str] | None:
    """Return the fields of the test example with a text of about `length` characters, None if none is stored."""
    rows = _column(home, "short_example", dataset=dataset, length=length)
    return dict(rows[0]) if rows else None


def training_fields(home: Home, dataset: str, count: int) -> list[dict[str, str]]:
    """Return the fields of at most `count` stored training examples, always the same ones."""
    return [dict(fields) for fields in _column(home, "training_fields", dataset=dataset, count=count)]


def nearest_tokens(home: Home, model: str, token: str, k: int) -> pa.Table:
    """Return the k tokens nearest by anchor (token_id, token, cosine, leverage), none if the token is not one."""
    return _read(home, "nearest_tokens", model=model, token=token, k=k)


def similar_tokens(home: Home, model: str, text: str) -> list[str]:
    """Return the tokens of a model that differ from `text` in case and surrounding spaces only."""
    return _column(home, "similar_tokens", model=model, text=text)


def models_with_anchors(home: Home) -> list[str]:
    """Return the models whose anchors are published."""
    return _column(home, "models_with_anchors")


def exported_states(
    home: Home, model: str, dataset: str, split: str | None, layer: int | None, pooling: str | None
) -> pa.Table:
    """Return states with their examples: model, dataset, split, layer, pooling, id, label, label_name, text, state."""
    wanted = {"split": split, "layer": layer, "pooling": pooling}
    return _read(home, "exported_states", model=model, dataset=dataset, **wanted)


def exported_anchors(home: Home, model: str) -> pa.Table:
    """Return the newest anchors of a model: model, token_id, token, leverage, anchor, head, bias."""
    return _read(home, "exported_anchors", model=model)


def exported_predictions(
    home: Home,
    experiment: str,
    model: str | None,
    dataset: str | None,
    method: str | None,
    shots: str | None,
    split: str | None,
) -> pa.Table:
    """Return the predictions of an experiment's latest run: model, dataset, method, shots, split, seed, id,
    probabilities; label and predicted of texts with one label, labels and predicted_labels of those with any number,
    value and predicted_value, and no probabilities, where targets are continuous."""
    wanted = {"model": model, "dataset": dataset, "method": method, "shots": shots, "split": split}
    table = _read(home, "exported_predictions", experiment=experiment, **wanted)
    of_a_kind = ("label", "predicted", "labels", "predicted_labels", "value", "predicted_value", "probabilities")
    return table.drop_columns([name for name in of_a_kind if table[name].null_count == len(table)])


def _read(home: Home, name: str, **values: Any) -> pa.Table:
    return query(home, statement(f"reads/{name}"), values)


def _rows(home: Home, name: str, **values: Any) -> list[Row]:
    rows: list[Row] = _read(home, name, **values).to_pylist()
    return rows


def _column(home: Home, name: str, **values: Any) -> list[Any]:
    column: list[Any] = _read(home, name, **values).column(0).to_pylist()
    return column
