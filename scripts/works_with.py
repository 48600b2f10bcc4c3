"""Software of Debian and what it works with, any number of labels per text: `python scripts/works_with.py FILE.csv`.

Writes a row for each source package that has tags: the name and summary of its first program, and those of its tags
`works-with::…` that are in KINDS, joined by ";". Needs Debian's package lists (`apt-get update`).
"""

import csv
import re
import subprocess
import sys
from pathlib import Path

KINDS = ("archive", "audio", "db", "file", "image", "mail", "network-traffic", "software", "text", "video")


def main(output: Path) -> None:
    listed = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout
    rows: list[list[str]] = []
    sources: set[str] = set()
    for package in listed.split("\n\n"):
        field = dict(re.findall(r"^(\S+): (.*(?:\n .*)*)", package, re.MULTILINE))
        tags, source = field.get("Tag", ""), field.get("Source", field.get("Package", "")).split(" ")[0]
        if "role::program" in tags and source not in sources:
            sources.add(source)
            kinds = [kind for kind in KINDS if re.search(rf"works-with::{kind}\b(?!-)", tags)]
            rows.append([f"{field['Package']}: {field['Description'].splitlines()[0]}", ";".join(kinds)])
    with output.open("w", newline="") as file:
        csv.writer(file).writerows([["description", "works_with"], *rows])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
