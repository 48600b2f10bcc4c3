"""Print a lens result: as a table for the terminal, and as a page with a heat map."""

import math
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from flows.reporting.templating import render_template
from tasks.views.lens import LensResult
from warehouse.printable import printable

MOST = {"terminal": 3, "page": 8}  # words shown; JSON has all
LAST = 60  # characters of the prompt above the table
NEAREST = {"terminal": (3, 1), "page": (4, 2)}  # anchors and predicted tokens shown per layer


def legend(result: LensResult) -> str:
    """Describe the columns, and how the result was computed."""
    centered = (
        f", and the cosine without the mean state of {result.centered_on} training texts" if result.centered_on else ""
    )
    hidden = f", without the {result.hidden:,} least trained tokens" if result.hidden else ""
    frequency = "; the direction of token frequency is projected out of both" if result.without_frequency else ""
    solved = " The anchors were missing in the lake; they were solved and stored." if result.solved else ""
    return (
        f"Nearest anchors: by cosine with the state after the model's final norm{hidden}{frequency}. A word: cosine"
        f" with its anchor, its rank among all {result.tokens:,} tokens (#){centered}. P: probability when the head is"
        " applied to that layer." + solved
    )


def words_shown(result: LensResult, where: str) -> list[int]:
    """Return the columns of the words closest to the state of the last layer, in the order of the card."""
    kind = "centered" if result.centered_on else "cosine"
    last = result.layers[-1]["words"]
    closest = sorted(range(len(last)), key=lambda column: -(last[column][kind] or 0))
    return sorted(closest[: MOST[where]])


def terminal(result: LensResult) -> Table:
    """Return the table for a terminal."""
    anchors, own = NEAREST["terminal"]
    title = Text(f"{result.model}, after …{shown(result.prompt)[-LAST:]}")
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("layer", justify="right")
    table.add_column("nearest anchors", no_wrap=True, max_width=40)
    columns = words_shown(result, "terminal")
    for column in columns:
        table.add_column(Text(shown(result.words[column])), justify="right", no_wrap=True)
    table.add_column("prediction", no_wrap=True, max_width=16)
    for column in columns:
        table.add_column(Text(f"P({shown(result.words[column])})"), justify="right", no_wrap=True)
    for layer in result.layers:
        words = [layer["words"][column] for column in columns]
        table.add_row(
            str(layer["layer"]),
            Text(", ".join(f"{shown(each['token'])} {each['cosine']:.2f}" for each in layer["nearest"][:anchors])),
            *(_cosines(word) for word in words),
            Text(", ".join(f"{shown(each['token'])} {each['probability']:.0%}" for each in layer["model"][:own])),
            *(_ranked(word["log_probability_rank"], _share(word)) for word in words),
        )
    return table


def html(result: LensResult) -> str:
    """Return the page of HTML."""
    columns, (anchors, own) = words_shown(result, "page"), NEAREST["page"]
    rows = [
        {
            "layer": layer["layer"],
            "nearest": [(shown(each["token"]), f"{each['cosine']:.2f}") for each in layer["nearest"][:anchors]],
            "model": [(shown(each["token"]), f"{each['probability']:.0%}") for each in layer["model"][:own]],
            "words": [layer["words"][column] for column in columns],
        }
        for layer in reversed(result.layers)
    ]
    return render_template(
        "lens.html",
        title=f"Lens: {result.model}",
        result=result,
        legend=legend(result),
        words=[shown(result.words[column]) for column in columns],
        rows=rows,
        reach=max(
            (abs(w["centered"]) for layer in result.layers for w in layer["words"] if w["centered"]), default=1.0
        ),
        height=_height,
        share=_share,
    )


def shown(token: str) -> str:
    """Return a token without control characters; its leading space as a visible dot."""
    text = printable(token)
    return "·" + text[1:] if text.startswith(" ") else text


def _height(rank: int, tokens: int) -> float:
    """Return 1 for the first rank, 0 for the last, by the logarithm of the rank."""
    return 1 - math.log(rank) / math.log(max(tokens, 2))


def _share(word: dict[str, Any]) -> str:
    value = math.exp(word["log_probability"])
    return f"{value:.1%}" if value >= 0.0005 else f"{value:.0e}"


def _cosines(word: dict[str, Any]) -> Text:
    centered = "" if word["centered"] is None else f" {word['centered']:+.2f}"
    return _ranked(word["cosine_rank"], f"{word['cosine']:.2f}").append(centered)


def _ranked(rank: int, value: str) -> Text:
    return Text(f"{value} #{rank:,}", style="bold" if rank <= 10 else "")
