"""Print what 10⁸ prompts of an 8-billion-parameter model would take on 64 GPUs, from unit costs and stated assumptions.

`python -m scripts.large_plan` prints the table of docs/scale.md. What was measured is in MEASURED, with its page; what
was not is in ASSUMED: no such machine was at hand.
"""

import sys
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True)
class Work:
    """What is to be extracted, predicted and scored."""

    prompts: int = 10**8
    tokens: int = 64
    """Of a prompt, with its template."""
    parameters: float = 8e9
    width: int = 4096
    """Of a state."""
    layers: int = 4
    gpus: int = 64


@dataclass(frozen=True)
class Units:
    """What a unit costs: measured here, on busy processors where the page says so."""

    bytes_a_number: float = 4 * 0.35
    """In the lake, of states of a model in bfloat16 (`flows/planning/cost.py`)."""
    shard_rows: int = 2048
    """Rows of a part, as a card has them by default."""
    block: int = 8 * 2**20
    """Bytes that a request uploads. A part of several has two requests more; each has one for its listing."""
    upload: float = 57e6 / 7.3
    """Bytes in a second that a process encodes, checks, writes and uploads (docs/scale.md)."""
    bootstrap: float = 294 / 1e6
    """Seconds of a row's metrics with a thousand resamples, of one fit (docs/reliability.md)."""
    answer: int = 150 + 8 * 2
    """Bytes of a prediction of two classes while it is checked and written (`flows/planning/memory.py`)."""


@dataclass(frozen=True)
class Assumptions:
    """What was not measured: list prices and a GPU's data sheet."""

    peak: float = 989e12
    """Dense bfloat16 FLOP in a second of one GPU."""
    utilization: float = 0.4
    gpu_hour: float = 2.5
    """Dollars."""
    put_thousand: float = 0.005
    gigabyte_month: float = 0.023


MEASURED, ASSUMED = Units(), Assumptions()


def figures(work: Work, units: Units = MEASURED, given: Assumptions = ASSUMED) -> dict[str, tuple[float, str]]:
    """Return each figure with its unit.

    A forward pass is 2 FLOP a parameter and token, all layers; attention beside it is left out, as prompts are short.
    """
    hours = 2 * work.parameters * work.tokens * work.prompts / (work.gpus * given.peak * given.utilization) / 3600
    stored = work.prompts * work.width * work.layers * units.bytes_a_number
    parts = ceil(work.prompts / units.shard_rows)
    blocks = ceil(stored / parts / units.block)
    requests = parts * (1 + blocks + 2 * (blocks > 1)) + 2  # and the manifest's
    uploading = stored / (work.gpus * units.upload) / 3600
    dollars = max(hours, uploading) * work.gpus * given.gpu_hour
    return {
        "forward passes": (hours, "hours"),
        "encoding and upload, a process a GPU, at the same time": (uploading, "hours"),
        "GPUs for the longer of the two": (dollars, "dollars"),
        "states in the lake": (stored / 1e12, "TB"),
        "the same for a month": (stored / 1e9 * given.gigabyte_month, "dollars"),
        "parts": (parts, ""),
        "requests that write": (requests, ""),
        "the requests": (requests / 1000 * given.put_thousand, "dollars"),
        "predictions of one fit, one seed": (work.prompts * units.answer / 1e9, "GB of memory"),
        "metrics of one fit, on one core": (work.prompts * units.bootstrap / 3600, "hours"),
    }


def table(work: Work) -> str:
    """Return the figures as a table of Markdown."""
    lines = ["| what | figure |", "|---|---|"]
    for name, (value, unit) in figures(work).items():
        lines.append(f"| {name} | {f'{value:,.{0 if value >= 100 else 2}f} {unit}'.strip()} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(f"{table(Work())}\n")
