"""An experiment's latest run as a page of Markdown: all numbers from the warehouse, each table where it has rows."""

import json
from pathlib import Path
from typing import Any

from flows.experiment import MethodSpec
from flows.report_tables import SECTIONS, Results, curves, label_efficiency
from vocabsem.errors import BadInput
from warehouse import catalog
from warehouse.home import Home

RUN = "select key, started, git_commit, facts->'$.card' as card from runs where experiment = $experiment and latest"
SCORES = "from lake.scores where run = $run order by model, dataset, method, shots_order"
CONTRASTS = "from lake.compared where run = $run and metric = 'macro_f1' order by model, dataset, shots_order, question"
SENSITIVITY = "from lake.sensitivity where run = $run order by model, choice desc, method, shots_order, dataset"
RANKS = "from lake.ranks where run = $run and datasets > 1"


def report(home: Home, experiment: str, output: Path | None = None) -> str:
    """The page; with `output`, written there too, with a picture of each data set in a folder of its name beside it.

    Raises BadInput for an experiment without a finished run.
    """
    found = catalog.query(home, RUN, {"experiment": experiment}).to_pylist()
    if not found:
        known = catalog.query(home, "select distinct experiment from runs order by 1")["experiment"].to_pylist()
        raise BadInput(f"no finished run of experiment {experiment!r}: there are {', '.join(known) or 'none yet'}")
    run, card = found[0], json.loads(found[0]["card"])
    lines = [f"# {card['name']}", "", card["description"], "", _provenance(run, card)]
    for results in _results(home, run["key"], card):
        lines += ["", f"## {results.model}"]
        for section in SECTIONS:
            lines += section(results)
        lines += label_efficiency(results, _pictures(results, output) if output else {})
    page = "\n".join(lines) + "\n"
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(page, encoding="utf-8")
    return page


def _provenance(run: dict[str, Any], card: dict[str, Any]) -> str:
    commit = f", commit {run['git_commit'][:10]}" if run["git_commit"] else ""
    return (
        f"Written by `vocabsem report {card['name']} --markdown` from run {run['key'][:12]} of"
        f" {run['started']:%Y-%m-%d}{commit}. Test data; means over {len(card['seeds'])} seeds where the seed matters;"
        " 95 % intervals by bootstrap over examples and seeds. The best is in bold."
    )


def _results(home: Home, run: str, card: dict[str, Any]) -> list[Results]:
    specs = [MethodSpec.model_validate(spec) for spec in card["methods"]]
    queries = (SCORES, CONTRASTS, RANKS, SENSITIVITY)
    tables = [catalog.query(home, query, {"run": run}).to_pylist() for query in queries]
    models = sorted({row["model"] for row in tables[0]})
    return [Results(model, specs, *([row for row in t if row["model"] == model] for t in tables)) for model in models]


def _pictures(results: Results, output: Path) -> dict[str, str]:
    """{data set: the picture's address, relative to the page}."""
    from tasks.figures import label_efficiency as draw
    from tasks.figures import png

    folder, drawn = output.with_suffix(""), {}
    folder.mkdir(parents=True, exist_ok=True)
    for dataset in results.datasets:
        path = folder / f"{dataset}-{results.model}.png"
        path.write_bytes(png(draw(f"{dataset}, {results.model}", curves(results, dataset))))
        drawn[dataset] = f"{folder.name}/{path.name}"
    return drawn
