"""Write an experiment's latest run as a page of Markdown or HTML: all numbers from the catalog, each table where it has
rows."""

import json
from contextlib import nullcontext
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from flows.planning.contrasts import reference
from flows.planning.experiment import MethodSpec
from flows.reporting.label_efficiency import label_efficiency
from flows.reporting.of_dataset import of_dataset
from flows.reporting.results import Results
from flows.reporting.run_summary import Run, RunSummary
from flows.reporting.sections import SECTIONS
from flows.reporting.templating import writable, write_page
from tasks.tracking import markdown
from vocabsem.errors import BadInput
from warehouse.catalog import reads
from warehouse.home import Home

if TYPE_CHECKING:
    from vocabsem.vocabulary.geometry import Projection

BY_SHOTS = itemgetter("model", "dataset", "method", "shots_order")


def report(
    home: Home, experiment: str, output: Path | None = None, *, html: bool = False, projection: "Projection" = "pca"
) -> str:
    """Return the page, and write it to `output` if given: Markdown has pictures of its data sets in a folder beside it.

    `projection` is how the page of HTML draws states. Raises BadInput for an experiment without a finished run and
    for an `output` that cannot be written.
    """
    run = latest_run(home, experiment)
    results = results_of(home, run)
    if html:
        from flows.reporting.html import html_page

        page = html_page(home, run, results, projection)
    with writable(output) if output else nullcontext():
        if not html:
            page = _markdown(run, results, output, RunSummary(home, run).data_notes())
        if output:
            write_page(output, page)
    return page


def latest_run(home: Home, experiment: str) -> Run:
    """Return the record of the latest run. Raises BadInput for an experiment without a finished run."""
    run = reads.latest_run(home, experiment)
    if run is None:
        known = ", ".join(reads.experiments(home))
        raise BadInput(f"no finished run of experiment {experiment!r}: there are {known or 'none yet'}")
    return Run(**run | {"card": json.loads(run["card"])})


def results_of(home: Home, run: Run) -> list[Results]:
    """Return the results of a run by model."""
    specs = [MethodSpec.model_validate(spec) for spec in run.card["methods"]]
    scores = sorted(reads.run_scores(home, run.key), key=BY_SHOTS)
    others = (reads.run_comparisons, reads.run_ranks, reads.run_sensitivity)
    ours = reference(specs)
    wins = reads.run_wins(home, run.key, ours.name) if ours else []
    tables = [scores, *(read(home, run.key) for read in others), wins, reads.run_method_costs(home, run.key)]
    tables += [reads.latest_studies(home), reads.run_word_gaps(home, run.key)]
    models = sorted({row["model"] for row in tables[0]})
    return [Results(model, specs, *([row for row in t if row["model"] == model] for t in tables)) for model in models]


def _markdown(run: Run, every: list[Results], output: Path | None, notes: list[str]) -> str:
    lines = [f"# {run.experiment}", "", markdown.escape(run.card["description"]), "", run.origin("--markdown")]
    for results in every:
        lines += ["", f"## {results.model}"]
        for section in SECTIONS:
            lines += [line for table in section(results) for line in table.markdown()]
        pictures = _pictures(results, output) if output else {}
        for dataset in results.datasets:
            lines += [line for table in of_dataset(results, dataset) for line in table.markdown()]
            if dataset in pictures:
                lines += ["", f"![macro-F1 by labeled examples per class on {dataset}]({pictures[dataset]})"]
    if notes:
        lines += ["", "## Data", "", *(f"- {markdown.escape(note)}" for note in notes)]
    return "\n".join(lines) + "\n"


def _pictures(results: Results, output: Path) -> dict[str, str]:
    """Write a picture for each data set with more than one number of shots; return their addresses beside the page."""
    folder, written = output.with_suffix(""), {}
    for dataset in results.datasets:
        rows = results.of(dataset)
        if len({row["shots"] for row in rows}) > 1:
            path = folder / f"{dataset}-{results.model}.svg"
            folder.mkdir(parents=True, exist_ok=True)
            picture = label_efficiency(dataset, rows).picture(f"{dataset}, {results.model}")
            write_page(path, picture)
            written[dataset] = f"{folder.name}/{path.name}"
    return written
