"""A file of texts to the same file with labels and probabilities: in parts, which a killed run leaves to the next."""

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from glob import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.steps.decorator import step_task
from tasks.steps.progress import ProgressFile
from tasks.steps.table_files import pieces, plain_schema, table_format, writing
from tasks.tracking.packaging import load_classifier
from tasks.tracking.registered import RegisteredClassifier, find_classifier
from vocabsem.cards.reader_options import ReaderOptions
from vocabsem.errors import BadInput, DataError
from vocabsem.prompts.texts import is_empty
from vocabsem.runtime.devices import check_device
from vocabsem.sources.digests import sha256_of
from vocabsem.sources.tables import format_of, schema_of, strings
from vocabsem.text_models.text_classifier import answer_column
from warehouse.home import Home
from warehouse.lake import atomic
from warehouse.lake.keys import canonical, partition_key, short
from warehouse.lake.lease import lease
from warehouse.lake.partition import Partition

VERSION = 1  # raise it when the same file and model would give other rows
ROWS = 1024  # of a part
TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)


@dataclass(frozen=True)
class PredictionJob:
    """One file to be scored by one version of a model."""

    model: RegisteredClassifier
    input: Path
    output: Path
    columns: Mapping[str, str]
    """Field of the model's template → column of the file."""
    options: ReaderOptions
    """How the file is read, where its format leaves it open."""
    schema: pa.Schema
    """All columns of the file."""
    device: str = "auto"
    """Of the language model, as cards have it; rows are the same but for rounding."""

    @property
    def prediction_fields(self) -> list[pa.Field]:
        """The columns that are added; several labels of a text are a list, in CSV as JSON."""
        labels, answer = self.model.config["labels"], answer_column(self.model.config)
        if answer == "value":
            return [pa.field("predicted", pa.float64())]
        several = answer == "labels" and table_format(self.output) == ".parquet"
        predicted = pa.field("predicted", pa.list_(pa.string()) if several else pa.string())
        return [predicted, *(pa.field(f"p_{label}", pa.float64()) for label in labels)]

    @property
    def record(self) -> Path:
        """Beside the output: what it was made of, and its own hash."""
        return self.output.with_name(f"{self.output.name}.json")

    def parts(self, payload: Mapping[str, Any]) -> Partition:
        """The folder beside the output that holds the parts; its name and its files' sidecars carry the job's key."""
        key = partition_key(payload)
        return Partition(self.output.with_name(f"{self.output.name}.parts-{short(key)}"), "scores", key, {})

    def payload(self, sha256: str) -> dict[str, Any]:
        """All that determines the output's rows; `sha256`: of the input's bytes."""
        model = {"name": self.model.name, "version": self.model.version, "source": self.model.source}
        given = self.options.model_dump(exclude_defaults=True)
        return {
            "step": VERSION,
            "input": sha256,
            "model": model,
            "columns": dict(self.columns),
            "part_rows": ROWS,
            **({"options": given} if given else {}),
        }


def make_job(
    home: Home,
    model: str,
    input: str,
    output: str,
    columns: Mapping[str, str] | None = None,
    options: ReaderOptions | None = None,
    device: str = "auto",
) -> PredictionJob:
    """Everything that can be refused before a row is read is refused here. Raises BadInput.

    columns: field of the template → column of the file, where they differ. options: how the file is read.
    device: of the language model.
    """
    check_device(device)
    source, target, options = Path(input).absolute(), Path(output).absolute(), options or ReaderOptions()
    form = format_of(source)
    table_format(target)
    classifier = find_classifier(home, model)
    fields, named = classifier.config["fields"], dict(columns or {})
    for field in named:
        if field not in fields:
            raise BadInput(f"{classifier.name} has no field {field!r}{_nearest(field, fields)}")
    read = {field: named.get(field, field) for field in fields}
    schema = plain_schema(schema_of(source, form, options, read.values()))
    job = PredictionJob(classifier, source, target, read, options, schema, device)
    for field, column in job.columns.items():
        if column not in schema.names:
            raise DataError(
                f"{source} has no column {column!r}{_nearest(column, schema.names)} Another name than the field's is"
                f" given with --column {field}=NAME"
            )
        kind = schema.field(column).type
        if not any(check(kind) for check in TEXT):
            raise DataError(f"column {column!r} of {source} is {kind}: give text")
    if taken := [field.name for field in job.prediction_fields if field.name in schema.names]:
        raise DataError(f"{source} has a column {taken[0]!r} already, which the answer would be: rename it")
    if not target.parent.is_dir():
        raise BadInput(f"the folder {target.parent} does not exist: make it")
    if target.exists() and not job.record.exists():
        raise _in_the_way(job)
    written = pa.schema([*schema, *job.prediction_fields])
    with writing(BytesIO(), table_format(target), written) as write:
        write(written.empty_table())
    return job


def validate_input(job: PredictionJob) -> tuple[int, str]:
    """Read the texts once, before any is scored: the number of rows, and the SHA-256 of the file.

    Raises DataError for an empty text, naming its row, and for no rows.
    """
    rows = 0
    for table in pieces(job.input, ROWS, list(dict.fromkeys(job.columns.values())), job.options):
        for column, texts in _texts(job, table).items():
            if (empty := next((i for i, text in enumerate(texts) if is_empty(text)), None)) is not None:
                raise DataError(
                    f"row {rows + empty} of {job.input} has an empty {column!r}: fill it or leave the row out"
                )
        rows += len(table)
    if not rows:
        raise DataError(f"{job.input} has no rows")
    return rows, sha256_of(job.input)


@step_task(task_run_name="predict {job.input.name}")
def predict_file(home: Home, job: PredictionJob, rows: int, sha256: str, progress: ProgressFile | None = None) -> int:
    """Score what is not scored yet, then replace the output atomically. Returns how many rows were scored now.

    `rows`, `sha256`: of the input, as `validate_input` returns them. Raises BadInput if the output exists and is not
    what this job writes.
    """

    def waiting(owner: str) -> None:
        sys.stderr.write(f"waiting for {owner}, which writes {job.output}\n")

    with lease(job.output.with_name(f"{job.output.name}.lease"), waiting=waiting):
        for left in job.output.parent.glob(f"{escape(job.output.name)}*{atomic.TEMPORARY}*"):
            left.unlink()
        return _predict_file(home, job, rows, sha256, progress.advance if progress else _ignore)


def _predict_file(home: Home, job: PredictionJob, rows: int, sha256: str, advance: Callable[[int], None]) -> int:
    payload = job.payload(sha256)
    parts = job.parts(payload)
    if job.output.exists():
        if not _is_made(job, parts.key):
            raise _in_the_way(job)
        shutil.rmtree(parts.path, ignore_errors=True)  # of a run that was killed before it did
        advance(rows)
        return 0
    model, names, scored = None, [], 0
    for number, table in enumerate(pieces(job.input, ROWS, job.schema.names, job.options, nested=True)):
        names.append(f"part-{number:08d}.parquet")
        if parts.finished(names[-1]) is None:
            model = model or load_classifier(home, f"{job.model.name}/{job.model.version}", job.device)
            parts.write_table(names[-1], _with_predictions(job, model, table))
            scored += len(table)
        advance(len(table))
    _assemble(job, payload, [parts.path / name for name in names], rows)
    shutil.rmtree(parts.path)
    return scored


def _ignore(done: int) -> None: ...


def _with_predictions(job: PredictionJob, model: Any, table: pa.Table) -> pa.Table:
    texts = _texts(job, table)
    frame = model.predict(pd.DataFrame({field: texts[column] for field, column in job.columns.items()}))
    for field, column in zip(job.prediction_fields, frame.columns, strict=True):
        values = frame[column]
        if pa.types.is_string(field.type):
            values = [json.dumps(each, ensure_ascii=False) if isinstance(each, list) else each for each in values]
        table = table.append_column(field, pa.array(values, field.type))
    return table


def _texts(job: PredictionJob, table: pa.Table) -> dict[str, list[str]]:
    return {name: strings(table[name], job.input, name) for name in job.columns.values()}


def _assemble(job: PredictionJob, payload: Mapping[str, Any], files: list[Path], rows: int) -> None:
    size = sum(file.stat().st_size for file in files)
    with atomic.translate_os_errors(job.output, size), atomic.replaced(job.output) as temporary:
        with writing(temporary, table_format(job.output), pq.read_schema(files[0])) as write:
            for file in files:
                write(pq.read_table(file, page_checksum_verification=True))
        if table_format(job.output) == ".parquet" and (count := pq.read_metadata(temporary).num_rows) != rows:
            raise RuntimeError(f"{temporary} counts {count} rows, not {rows}: the disk is failing")
        record = {"key": partition_key(payload), "sha256": sha256_of(temporary), "rows": rows, **payload}
        atomic.write(job.record, canonical(record).encode())


def _is_made(job: PredictionJob, key: str) -> bool:
    try:
        record = json.loads(job.record.read_bytes())
        return bool(record["key"] == key and record["sha256"] == sha256_of(job.output))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _in_the_way(job: PredictionJob) -> BadInput:
    return BadInput(
        f"{job.output} exists and is not what {job.model.name}/{job.model.version} makes of {job.input.name}:"
        " choose another output or remove it"
    )


def _nearest(given: str, known: list[str]) -> str:
    near = get_close_matches(given, known, n=1, cutoff=0.5)
    near = near or [name for name in known if name.lower() == given.lower()]
    return f": did you mean {near[0]!r}?" if near else f": it has {', '.join(map(repr, known))}."
