"""The schema of a submission: one JSON of a recorded run that can be verified without the run's home."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vocabsem.datasets.shots import shots_text
from vocabsem.errors import BadInput
from vocabsem.label_kinds import LabelKind

FORMAT = "vocabsem-submission"
VERSION = 1
LARGEST = 1 << 30  # bytes of the JSON, uncompressed
MOST_EXAMPLES = 1_000_000  # for testing, of a data set

Key = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+@-]*$", max_length=120)]
SplitName = Literal["train", "validation", "test"]


class SubmissionPart(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Stated(SubmissionPart):
    """A part of the card or the data that is not as in the protocol."""

    part: str
    expected: str
    given: str


class ProtocolClaim(SubmissionPart):
    """The protocol that the run was compared with."""

    version: Literal[1]
    deviations: list[Stated]


class ModelIdentity(SubmissionPart):
    """A model."""

    name: Name
    source: str
    license: str
    digest: Key
    """Of its bytes."""


class SplitIdentity(SubmissionPart):
    """The examples of a split."""

    rows: int
    hash: Hash


class DatasetIdentity(SubmissionPart):
    """A data set, and its examples for testing in the order of all predictions."""

    name: Name
    examples: Key
    """Key of the partition: its payload has the hashes of the sources."""
    sources: dict[str, str]
    license: str
    classes: Annotated[list[str], Field(min_length=2)]
    splits: dict[SplitName, SplitIdentity]
    hashes: Annotated[list[Hash], Field(min_length=1, max_length=MOST_EXAMPLES)]
    labels: list[Annotated[int, Field(ge=0)]]
    """Of each example its class; none where examples have any number of labels, or numbers."""
    label_sets: list[list[Annotated[int, Field(ge=0)]]] | None = None
    """Of each example the labels that it has; None where each has one."""
    label_values: list[float] | None = None
    """Of each example its number; None where examples have classes."""


class Mean(SubmissionPart):
    """A metric over the seeds."""

    value: float
    low: float
    high: float
    std: float


class Unit(SubmissionPart):
    """The predictions of one seed."""

    seed: int
    metrics: dict[str, float]
    fit_seconds: float | None
    """Stated; nothing in the file verifies it."""
    probabilities: str
    """(N, C), float32, little-endian, row after row, in Base64; none where numbers are predicted."""
    predicted: str | None = None
    """Of any number of labels: (N, L), a bit whether each is predicted, row after row, highest bit first, in Base64."""
    values: str | None = None
    """The numbers predicted: (N,), float64, little-endian, in Base64."""


class Fit(SubmissionPart):
    """One method at one number of shots on one data set with one model."""

    key: Key
    """Of its metrics."""
    model: Name
    dataset: Name
    method: Name
    shots: Annotated[str, Field(pattern=r"^(\d{1,9}|all)$")]
    control: bool
    unlabeled: bool | None
    """Whether it learns from training texts without labels; None in runs of version 0.1."""
    metrics: dict[str, Mean]
    seeds: Annotated[list[Unit], Field(min_length=1)]

    @property
    def title(self) -> str:
        """What it is called in messages."""
        return f"{self.dataset}, {self.model}, {self.method}, {shots_text(self.shots)}"


class Payload(BaseModel):
    """The content that a partition's key is the hash of, with further settings of its step."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")

    step: str
    coordinates: dict[str, str]
    inputs: dict[str, Key]
    """Role → key."""
    model: str | None = None
    """Digest of the model, of anchors."""
    seeds: list[int] | None = None
    """Of predictions."""
    controls: list[str] | None = None
    """Of a run."""
    limits: dict[SplitName, Annotated[int, Field(ge=1)] | None] | None = None
    """Most rows of each split, of examples."""
    label_kind: LabelKind = "nominal"
    """Of metrics: which there are."""


class Submission(SubmissionPart):
    """A recorded run."""

    format: Literal["vocabsem-submission"]
    version: Literal[1]
    run: Key
    record: dict[str, Any]
    """What the run's record states: experiment, card, machine, commit, times."""
    versions: dict[str, str]
    """Of the software."""
    protocol: ProtocolClaim
    models: list[ModelIdentity]
    datasets: list[DatasetIdentity]
    fits: list[Fit]
    partitions: dict[Key, Payload]
    """Key → payload, whose hash it is, of all that the run goes back to: parameters, seeds, hashes of sources."""
    sha256: Key
    """Of the canonical JSON of all else: keys sorted, no spaces, UTF-8."""


class ReadSubmission(NamedTuple):
    """A submission, and the JSON that it was read from."""

    submission: Submission
    content: dict[str, Any]


def read_submission(path: Path) -> ReadSubmission:
    """Return the submission in a file, compressed or not. Raises BadInput for whatever is none, in one line."""
    content = _parsed(path, _bytes(path))
    for name, known in (("format", FORMAT), ("version", VERSION)):
        if content.get(name) != known or isinstance(content.get(name), bool):
            raise _damaged(path, f"its {name} is {content.get(name)!r}, this version of vocabsem reads {known!r}")
    try:
        return ReadSubmission(Submission.model_validate(content), content)
    except ValidationError as error:
        first, more = error.errors(include_url=False, include_input=False)[0], error.error_count() - 1
        where = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in first["loc"]).lstrip(".")
        raise _damaged(path, f"{where}: {first['msg']}" + (f", and {more} more faults" if more else "")) from None


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(2)
        with gzip.open(path) if start == b"\x1f\x8b" else path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _damaged(path, f"it cannot be uncompressed: {error}") from None
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror or error}") from None
    if len(data) > LARGEST:
        raise _damaged(path, f"it is larger than {LARGEST >> 20} MiB")
    return data


def _parsed(path: Path, data: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            raise ValueError("a key stands twice in one object")
        return made

    def no_number(text: str) -> None:
        raise ValueError(f"it holds {text}, which is no number of JSON")

    try:
        content = json.loads(data.decode("utf-8"), object_pairs_hook=unique, parse_constant=no_number)
    except json.JSONDecodeError as error:
        cut = ": it was truncated" if error.pos >= len(data.rstrip()) - 1 or "Unterminated" in error.msg else ""
        raise _damaged(path, f"{error.msg} at line {error.lineno}, column {error.colno}{cut}") from None
    except UnicodeDecodeError as error:
        raise _damaged(path, f"byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise _damaged(path, "it is nested too deep") from None
    except ValueError as error:
        raise _damaged(path, str(error)) from None
    if not isinstance(content, dict):
        raise _damaged(path, f"it holds a {type(content).__name__}, not an object")
    return content


def _damaged(path: Path, reason: str) -> BadInput:
    return BadInput(f"{path} is no submission that can be verified: {reason}; `vocabsem submit` writes one")
