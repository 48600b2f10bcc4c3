"""A file of texts to labels and probabilities, by a registered model."""

from prefect import flow

from flows.execution.flow_run import run_name
from flows.execution.progress import progress
from tasks.batch_predict import make_job, predict_file, validate_input
from vocabsem.cards.reader_options import reader_options
from warehouse.home import Home


@flow(name="batch_predict", flow_run_name=run_name, log_prints=True)
def batch_predict(
    model: str = "vocabsem-rotten_tomatoes@champion",
    input: str = "texts.parquet",
    output: str = "scored.parquet",
    columns: dict[str, str] | None = None,
    sep: str | None = None,
    encoding: str | None = None,
    device: str = "auto",
    home: str | None = None,
) -> str:
    """Write `output`: the columns of `input`, the label predicted and every probability. Returns its path.

    A run that was killed is resumed by the same call.

    Args:
        model: Registered model, `name@alias` or `name/version`.
        input: File of texts: CSV, TSV, JSON, JSON lines, Parquet or Arrow, by its name.
        output: File to write, .parquet or .csv.
        columns: Field of the model's template → column of the file, where they differ.
        sep: Character between the columns of CSV; by default the one that its header has.
        encoding: Of the file's text, by default UTF-8.
        device: Of the language model: auto, cpu, cuda, or offload:8GB, which leaves on the disk what does not fit.
        home: Folder of all data; the worker's own home if empty.
    """
    root = Home.find(home)
    job = make_job(root, model, input, output, columns, reader_options(sep, encoding), device)
    rows, sha256 = validate_input(job)
    with progress(f"rows of {job.input.name}, {job.model.name}/{job.model.version}", rows) as file:
        predict_file.submit(root, job, rows, sha256, file).result()
    return str(job.output)
