"""The commands that a reader of README and docs types, in their order, and which of them a walk leaves out."""

import re
from pathlib import Path

from tests.conftest import ROOT

PAGES = ["README.md", *(f"docs/{name}.md" for name in ("quickstart", "own-data", "serving", "lens", "diagnostics"))]
PAGES += [f"docs/{name}.md" for name in ("operations", "install", "footguns")]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CELL = re.compile(r"^\| `(vocabsem [^`]+)`", re.MULTILINE)
LEFT_OUT = {
    "a server, or a program that waits": r"vocabsem (up|serve|mcp)\b|vocabsem shell( --ui)?$|localhost|127\.0\.0\.1",
    "hours, or data of the hub": r"_efficiency|\b(paper|tuned|ablation|full_size|sensitivity|mine)\b|--data-dir|hf:",
    "a name that stands for the reader's own": r"\bvocabsem-made\b|\b(ID|[A-Z]{3,})\b|\bmy-|…|<[a-z]+>|/path/to|\$\(|://",
    "installs, builds or needs a checkout": r"^(make|pip|uv|docker|git|python|source|export|cd)\b|\.venv",
    "another program": r"^(?!vocabsem )",
}


def typed(page: str) -> list[str]:
    """Return the command lines of a page, as they stand: in blocks, behind a prompt if there is one, and in tables."""
    text = (ROOT / page).read_text()
    lines_at = [(match.start(), match[1]) for match in CELL.finditer(text)]
    for match in FENCED.finditer(text):
        if match[1] not in ("", "sh", "bash"):
            continue
        block = re.sub(r"\\\n\s*", "", match[2])
        lines = re.findall(r"^\$ (.+)$", block, re.MULTILINE) or re.findall(
            r"^(?:vocabsem|\.venv/bin/\w+|pip|make) .+$", block, re.MULTILINE
        )
        lines_at += [(match.start() + index, line) for index, line in enumerate(lines)]
    return [line.replace("\\|", "|") for _, line in sorted(lines_at)]


def reason_to_leave_out(line: str) -> str | None:
    """Return why a walk does not type a line, None where it does."""
    return next((reason for reason, pattern in LEFT_OUT.items() if re.search(pattern, line)), None)


def write_files(folder: Path) -> None:
    """Write the reader's own files that the pages speak of: labeled reviews, and texts to classify."""
    endings = {"1": ["broke after a week", "feels cheap", "came damaged"], "5": ["is a delight", "works very well"]}
    things = ["screen", "battery", "keyboard", "case", "charger", "speaker", "strap", "lens", "hinge", "cable"]
    rows = [(f"The {thing} {end}.", stars) for stars, each in endings.items() for end in each for thing in things]
    (folder / "file.csv").write_text("review,stars\n" + "".join(f'"{text}",{stars}\n' for text, stars in rows))
    for name, column in (("texts.csv", "text"), ("reviews.csv", "review")):
        (folder / name).write_text(f"{column}\n" + "".join(f'"{text}"\n' for text, _ in rows))
