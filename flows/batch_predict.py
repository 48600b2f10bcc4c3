"""A file of texts to labels and probabilities, by a registered model."""

from prefect import flow

from flows.execution.progress import progress
from tasks.batch_predict import make_job, score_file, survey
from warehouse.home import Home


@flow(name="score", log_prints=True)
def score(
    model: str = "vocabsem-rotten_tomatoes@champion",
    input: str = "texts.parquet",
    output: str = "scored.parquet",
    columns: dict[str, str] | None = None,
    home: str | None = None,
) -> str:
    """Write `output`: the columns of `input`, the label predicted and every probability. Returns its path.

    A run that was killed goes on where it was.

    Args:
        model: Registered model, `name@alias` or `name/version`.
        input: File of texts, .parquet or .csv.
        output: File to write, .parquet or .csv.
        columns: Field of the model's template → column of the file, where they differ.
        home: Where data rests; the worker's own home if empty.
    """
    place = Home.find(home)
    job = make_job(place, model, input, output, columns)
    rows, sha256 = survey(job)
    with progress(f"rows of {job.input.name}, {job.model.name}/{job.model.version}", rows) as advance:
        score_file(place, job, rows, sha256, advance)
    return str(job.output)
