"""Commands that write a recorded run for others, and verify what others have written."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.app import DataDir, app
from flows.execution.activity import activity
from vocabsem.errors import BadInput
from warehouse.home import Home

MAX_LISTED = 20  # mismatches that are printed


@app.command()
def submit(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Experiment, for its latest run, or the key of a run.")],
    output: Annotated[Path, typer.Option(metavar="FILE", help="A .json file to write, or .json.gz, compressed.")],
) -> None:
    """Write a recorded run as one JSON that others can verify: identities, settings, predictions, metrics.

    It is verified before it is written. It holds hashes of examples, no texts.
    """
    from flows.cli.compare_view import find_run
    from flows.reporting.templating import writable
    from tasks.views.submission import make_submission, write_submission
    from tasks.views.submission_check import mismatches
    from tasks.views.submission_schema import ReadSubmission, Submission

    if not output.name.endswith((".json", ".json.gz")):
        raise BadInput(f"--output {output}: give a name with .json or .json.gz")
    home = Home.find()
    recorded = find_run(home, run)
    with activity(f"reading the predictions of {recorded['experiment']}"):
        content = make_submission(home, recorded["key"])
    with activity("recomputing its metrics"):
        faults = list(mismatches(ReadSubmission(Submission.model_validate(content), content)))
    if faults:
        raise BadInput(
            f"run {recorded['key'][:12]} does not verify ({faults[0]}; {len(faults)} in all): it was scored by another"
            " version: `vocabsem run` its card again, and submit that"
        )
    with writable(output):
        write_submission(content, output)
    units = sum(len(fit["seeds"]) for fit in content["fits"])
    size = output.stat().st_size / 1e6
    typer.echo(f"{output}: {len(content['fits']):,} fits, {units:,} units of one seed, {size:,.1f} MB, verified")


@app.command("verify-submission")
def verify_submission(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .json or .json.gz file that `submit` wrote.")],
    data_dir: DataDir = None,
) -> None:
    """Recompute every metric of a submission from its predictions; compare examples with local data sets.

    Exits with 2 where something differs or cannot be read.
    """
    from flows.planning.data_dir import find_data_dir
    from tasks.views.submission_check import mismatches
    from tasks.views.submission_examples import check_examples
    from tasks.views.submission_schema import read_submission
    from vocabsem.errors import shorten
    from vocabsem.evaluation.protocol import Deviation, summary
    from warehouse.printable import printable

    def show(text: str) -> None:
        typer.echo(printable(shorten(text)))

    read, folder = read_submission(file), find_data_dir(data_dir)
    submission = read.submission
    claim = submission.protocol
    deviations = [Deviation(each.part, each.expected, each.given) for each in claim.deviations]
    show(f"run {submission.run[:12]} of {submission.record.get('experiment')}, {summary(deviations, claim.version)}")
    with activity("recomputing its metrics"):
        faults = [str(fault) for fault in mismatches(read)]
    with activity("comparing its examples"):
        for check in check_examples(Home.find(), submission, folder):
            show(f"examples of {check.dataset}: {check.note}")
            faults += [f"examples of {check.dataset}: {fault}" for fault in check.faults]
    for fault in faults[:MAX_LISTED]:
        show(f"differs: {fault}")
    if len(faults) > MAX_LISTED:
        typer.echo(f"… and {len(faults) - MAX_LISTED:,} more")
    units = sum(len(fit.seeds) for fit in submission.fits)
    typer.echo(f"{len(submission.fits):,} fits, {units:,} units of one seed: {len(faults):,} differences")
    if faults:
        raise typer.Exit(2)
