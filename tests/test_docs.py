"""The documentation against what it describes."""

import importlib
import os
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from typer.main import get_command

from flows.cli.command_line import app
from scripts import docs
from tasks.steps.kinds import KINDS
from tests.conftest import ROOT
from vocabsem.methods.registry import method_infos

PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
COMMANDS = get_command(app).commands | get_command(app).commands["warehouse"].commands


def name(page):
    return page.name


@pytest.fixture(params=PAGES, ids=name)
def page(request):
    return request.param


@pytest.mark.parametrize("page", docs.PAGES, ids=name)
def test_generated_pages_are_current(page):
    assert page.read_text() == docs.current(page), "run make docs"


@pytest.mark.parametrize("page", docs.PAGES, ids=name)
def test_a_page_that_is_not_current_is_written_anew_and_its_prose_kept(page, tmp_path, monkeypatch):
    copy = tmp_path / page.name
    whole = page.read_text()
    copy.write_text(re.sub(r"(begin -->\n).*(<!--)", r"\1something else\n\2", whole, flags=re.DOTALL))
    assert copy.read_text() != whole
    monkeypatch.setitem(docs.PAGES, copy, docs.PAGES[page])
    assert docs.current(copy) == whole


def test_a_page_without_its_marks_is_not_overwritten(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("by hand")
    with pytest.raises(SystemExit, match="lost its marks"):
        docs.current(page)


TYPED = re.compile(r"(?:vocabsem|make|pip|prefect|\.venv/bin/\w+) [^`\n]+")
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page not in docs.PAGES and page.name != "CHANGELOG.md"], ids=name
)
def test_commands_are_the_same_in_bash_and_zsh(page):
    """zsh takes brackets, * and ? outside quotes for names of files, and # on a typed line for a word."""
    text = page.read_text()
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)  # of all languages, or ends begin one
    shown = [block for language, block in blocks if language in ("", "sh", "bash")]
    lines = [line for block in shown for line in block.splitlines() if TYPED.match(line)]
    lines += [line for line in re.findall(r"`([^`\n]+)`", text) if TYPED.match(line)]
    assert not [line for line in lines if re.search(r"[][*?#]", QUOTED.sub("", line))]


def test_every_command_and_every_table_is_described():
    cli, model = ((ROOT / "docs" / f"{page}.md").read_text() for page in ("cli", "data-model"))
    for command in COMMANDS:
        assert re.search(rf"^## vocabsem (warehouse )?{command}$", cli, re.MULTILINE), command
    sql = "".join(path.read_text() for path in (ROOT / "warehouse" / "catalog" / "sql").glob("*.sql"))
    for table in re.findall(r"^create (?:table|view|macro) (\w+)(?: as|\s*\()", sql, re.MULTILINE):
        assert re.search(rf"^#### {table}\b", model, re.MULTILINE), table
    for kind in {*(spec.kind for spec in KINDS), "calibrators"}:
        assert f"| {kind} | `{kind}/" in model, kind


def test_every_method_is_described():
    text = (ROOT / "docs" / "method.md").read_text()
    assert set(method_infos()) <= set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))


def test_commands_in_the_pages_exist_with_their_options(page):
    """Lines of code blocks, and code in sentences."""
    text = page.read_text()
    for line in re.findall(r"^vocabsem .*|(?<=`)vocabsem [^`]+(?=`)", text, re.MULTILINE):
        words = shlex.split(line.replace("…", "X"), comments=True)[1:]
        words = [word for word in words if word != "warehouse"]
        command = next((word for word in words if word in COMMANDS), None)
        if words[0].startswith("-") or words[0].startswith("<"):
            continue
        assert command, f"{page.name}: {line}"
        known = {option for parameter in COMMANDS[command].params for option in parameter.opts} | {"--home", "--debug"}
        for word in words:
            if word.startswith("-") and word != "--help":
                assert word in known, f"{page.name}: {line}"


def test_links_and_named_files_are_there(page):
    text = page.read_text()
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / link).exists(), link
    for named in re.findall(r"`((?:vocabsem|warehouse|tasks|flows|data|tests|scripts)/[\w/.-]+)`", text):
        assert (ROOT / named).exists(), named


@pytest.mark.parametrize(("picture", "width"), [("prefect-run", 1400), ("prefect-summary", 1400), ("mlflow-run", 1800)])
def test_pictures_are_there_and_light(picture, width):
    data = (ROOT / "docs" / "images" / f"{picture}.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(data[16:20]) == width, "pixels wide"
    assert len(data) < 300_000


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False, env=quiet)
    assert done.returncode == 0, done.stderr
    return folder


class Loads(HTMLParser):
    """What a browser fetches for a page without being clicked."""

    def __init__(self):
        super().__init__()
        self.urls = []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        fetched = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src"}.get(tag)
        if attributes.get("rel") != "canonical" and attributes.get(fetched):
            self.urls.append(attributes[fetched])


@pytest.mark.medium
def test_the_site_loads_nothing_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        loads = Loads()
        loads.feed(page.read_text())
        assert loads.urls
        assert not [url for url in loads.urls if re.match(r"(https?:)?//", url)], page.name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"@import|url\(['\"]?(https?:)?//", sheet.read_text()), sheet.name


def test_formulas_need_no_script(site):
    page = (site / "method.html").read_text()
    assert page.count("<math") > 40
    assert "arithmatex" not in page


def test_every_public_name_has_a_reference():
    import vocabsem

    listed = re.findall(
        r"^::: (\S+)$", "".join(page.read_text() for page in (ROOT / "docs" / "api").glob("*.md")), re.MULTILINE
    )
    for module in listed:
        importlib.import_module(module)
    for name in vocabsem.__all__:
        value = getattr(vocabsem, name)
        if callable(value):
            assert value.__module__ in listed, f"{name} of {value.__module__}"
