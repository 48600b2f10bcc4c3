"""Real wheels through real pip from a local folder, a small hub of our own on loopback: nothing leaves the machine."""

import hashlib
import json
import multiprocessing
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocabsem.errors import BadInput, DownloadFailed, SourceError
from vocabsem.runtime.atomic import TEMPORARY
from vocabsem.sources.digests import sha256_of
from vocabsem.sources.fetching import cached, fetch, refresh
from vocabsem.sources.parsing import Source, parse_source

TEXT = "pypi:toy-data==1.0/toy_data/a.txt"
FOLDER = "pypi:toy-data==1.0/toy_data/texts/"
CONTENT = {"toy_data/a.txt": b"alpha", "toy_data/texts/x/1.txt": b"one", "toy_data/texts/y/2.txt": b"two"}
COMMIT = "c" * 40


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# Reading a source


def test_the_forms():
    assert parse_source("hf:org/name@main") == Source("hf", "org/name", "main", "")
    assert parse_source("hf:datasets/org/na-me.2@abc/dir/") == Source("hf", "datasets/org/na-me.2", "abc", "dir/")
    assert parse_source("hf:datasets/o/n@refs%2Fconvert%2Fparquet/f.parquet").version == "refs/convert/parquet"
    assert parse_source("pypi:Some-Package==1.2.post1/pkg/data/f.csv") == Source(
        "pypi", "Some-Package", "1.2.post1", "pkg/data/f.csv"
    )
    assert parse_source("file:some dir/x.csv") == Source("file", "", "", "some dir/x.csv")
    assert parse_source("python:json/") == Source("python", "", "", "json/")
    sources = map(parse_source, ("hf:o/n@main", "pypi:p==1/x", "file:x", "python:x"))
    assert [source.local for source in sources] == [False, False, True, True]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "org/name",
        "hf:name@main",
        "hf:org/name",
        "pypi:package==1.0",
        "pypi:package/path",
        "pypi:--index-url==1/x",
        "pypi:a==1 b/x",
        "file:",
        "python:",
        "http://x/y",
        "hf:org/name@main;rm",
    ],
)
def test_what_is_no_source(text):
    with pytest.raises(SourceError, match="cannot be read: expected hf:org/name@revision"):
        parse_source(text)


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a\\..\\b"])
@pytest.mark.parametrize("start", ["pypi:p==1/", "hf:o/n@main/", "python:"])
def test_paths_stay_inside_their_archive(start, path):
    with pytest.raises(SourceError, match="leaves its archive"):
        parse_source(start + path)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    for start in ("", "hf:", "pypi:", "file:"):
        try:
            parse_source(start + text)
        except BadInput:
            continue


# The standard library


def test_a_package_of_the_standard_library_is_its_source_files(tmp_path):
    package = Path(json.__file__).parent
    fetched = fetch("python:json/", tmp_path)
    assert fetched.path == package
    lines = sorted(f"{path.name} {sha(path.read_bytes())}\n" for path in package.glob("*.py"))
    assert fetched.sha256 == sha("".join(lines).encode()), "what is compiled beside them is left out"
    assert cached("python:json/", tmp_path) == fetched
    assert fetch("python:json/decoder.py", tmp_path).sha256 == sha((package / "decoder.py").read_bytes())


def test_a_package_that_this_python_does_not_have_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"source 'python:no_such/': .*no_such does not exist"):
        fetch("python:no_such/", tmp_path)
    assert cached("python:no_such/", tmp_path) is None


# Wheels


def make_wheel(folder: Path, members: dict[str, bytes], name: str = "toy_data", version: str = "1.0") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for member, data in members.items():
            wheel.writestr(member, data)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A folder of wheels that pip takes for its registry."""
    folder = tmp_path / "registry"
    make_wheel(folder, CONTENT)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def leftovers(cache: Path) -> list[str]:
    return [
        str(p.relative_to(cache))
        for p in cache.rglob("*")
        if ".partial" in p.name or TEMPORARY in p.name or p.suffix == ".whl"
    ]


def test_one_file_out_of_a_wheel(registry, tmp_path):
    cache = tmp_path / "cache"
    assert cached(TEXT, cache) is None
    fetched = fetch(TEXT, cache, sha256=sha(b"alpha"))
    assert fetched.path.read_bytes() == b"alpha"
    assert fetched.sha256 == sha(b"alpha")
    assert cached(TEXT, cache) == fetched
    assert not leftovers(cache)
    assert [p.name for p in (cache / "pypi").rglob("*") if p.is_file()] == ["a.txt"], "that one file and no other"


def test_a_folder_out_of_a_wheel(registry, tmp_path):
    fetched = fetch(FOLDER, tmp_path / "cache")
    assert {p.relative_to(fetched.path).as_posix(): p.read_bytes() for p in fetched.path.rglob("*.txt")} == {
        "x/1.txt": b"one",
        "y/2.txt": b"two",
    }
    lines = f"x/1.txt {sha(b'one')}\ny/2.txt {sha(b'two')}\n"
    assert fetched.sha256 == sha(lines.encode())


def test_nothing_of_the_package_runs(registry, tmp_path):
    trap = tmp_path / "sprung"
    code = f"open({str(trap)!r}, 'w')".encode()
    make_wheel(registry, CONTENT | {"toy_data/__init__.py": code, "setup.py": code}, version="2.0")
    fetch("pypi:toy-data==2.0/toy_data/__init__.py", tmp_path / "cache")
    assert not trap.exists()


def test_a_source_archive_is_not_taken(registry, tmp_path):
    """It would have to be built, which runs its code."""
    (registry / "toy_data-1.0-py3-none-any.whl").unlink()
    shutil.make_archive(str(registry / "toy_data-1.0"), "gztar", tmp_path, ".")
    with pytest.raises(SourceError, match=r"no wheel of toy-data==1\.0 in the package registry"):
        fetch(TEXT, tmp_path / "cache")


def test_a_second_fetch_asks_no_one(registry, tmp_path):
    first = fetch(TEXT, tmp_path / "cache")
    shutil.rmtree(registry)
    assert fetch(TEXT, tmp_path / "cache") == first


def test_a_cache_can_be_moved(registry, tmp_path):
    fetch(TEXT, tmp_path / "cache")
    (tmp_path / "cache").rename(tmp_path / "moved")
    assert cached(TEXT, tmp_path / "moved").path.read_bytes() == b"alpha"


def test_other_bytes_than_the_card_says_are_not_kept(registry, tmp_path):
    cache = tmp_path / "cache"
    with pytest.raises(SourceError) as caught:
        fetch(TEXT, cache, sha256=sha(b"beta"))
    assert sha(b"alpha") in str(caught.value)
    assert sha(b"beta") in str(caught.value)
    assert cached(TEXT, cache) is None
    assert not [p for p in (cache / "pypi").rglob("*") if p.is_file()]


def test_bytes_that_were_cached_must_be_the_cards_too(registry, tmp_path):
    fetch(TEXT, tmp_path / "cache")
    with pytest.raises(SourceError, match="its card says"):
        fetch(TEXT, tmp_path / "cache", sha256=sha(b"beta"))


@pytest.mark.medium
def test_a_lost_or_cut_file_is_fetched_again(registry, tmp_path):
    cache = tmp_path / "cache"
    path = fetch(TEXT, cache).path
    path.write_bytes(b"alp")
    assert cached(TEXT, cache) is None
    assert fetch(TEXT, cache).path.read_bytes() == b"alpha"
    path.unlink()
    assert fetch(TEXT, cache).path.read_bytes() == b"alpha"
    folder = fetch(FOLDER, cache).path
    (folder / "x" / "1.txt").unlink()
    assert (fetch(FOLDER, cache).path / "x" / "1.txt").read_bytes() == b"one"


def test_an_unreadable_receipt_is_no_receipt(registry, tmp_path):
    cache = tmp_path / "cache"
    first = fetch(TEXT, cache)
    (receipt,) = (cache / "receipts").iterdir()
    good = receipt.read_text()
    for content in ("", "{", "[1]", '{"source": "x"}', "null", good[:-20]):
        receipt.write_text(content)
        assert cached(TEXT, cache) is None, content
    assert fetch(TEXT, cache) == first
    assert receipt.read_text() == good


@pytest.mark.medium
def test_absent_members_and_releases(registry, tmp_path):
    with pytest.raises(SourceError, match=r"no 'toy_data/b.txt' in toy_data-1.0.*did you mean 'toy_data/a.txt'"):
        fetch("pypi:toy-data==1.0/toy_data/b.txt", tmp_path)
    with pytest.raises(SourceError, match=r"no wheel of toy-data==9\.9 in the package registry: fix"):
        fetch("pypi:toy-data==9.9/toy_data/a.txt", tmp_path)
    with pytest.raises(SourceError, match="no 'nowhere/' in"):
        fetch("pypi:toy-data==1.0/nowhere/", tmp_path)
    assert not leftovers(tmp_path / "pypi")


@pytest.mark.parametrize("name", ["toy_data/texts/../../../out.txt", "toy_data/texts/..\\out.txt"])
def test_members_that_climb_out_are_refused(registry, tmp_path, name):
    make_wheel(registry, CONTENT | {name: b"evil"})
    with pytest.raises(SourceError, match="unsafe member"):
        fetch(FOLDER, tmp_path / "cache")
    assert not list(tmp_path.rglob("out.txt"))
    assert cached(FOLDER, tmp_path / "cache") is None


def test_links_in_a_wheel_are_refused(registry, tmp_path):
    wheel = make_wheel(registry, CONTENT)
    link = zipfile.ZipInfo("toy_data/texts/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(SourceError, match="unsafe member"):
        fetch(FOLDER, tmp_path / "cache")


def test_a_truncated_wheel_is_no_wheel(tmp_path):
    from vocabsem.sources.wheels import unpack

    wheel = make_wheel(tmp_path, {"a.bin": os.urandom(10_000)})
    wheel.write_bytes(wheel.read_bytes()[:5_000])
    with pytest.raises(SourceError, match="not a whole wheel"):
        unpack(wheel, "a.bin", tmp_path / "out")


def test_an_unreachable_registry_is_stated_at_once(registry, tmp_path, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{closed_port()}/simple")
    began = time.monotonic()
    with pytest.raises(DownloadFailed, match="the package registry did not answer: check the network"):
        fetch(TEXT, tmp_path / "cache")
    assert time.monotonic() - began < 15
    assert not leftovers(tmp_path / "cache")


def _fetch(cache, results):
    results.put(fetch(TEXT, Path(cache)).path.read_bytes())


@pytest.mark.medium
def test_five_processes_fetch_one_file_once(registry, tmp_path):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [context.Process(target=_fetch, args=(str(tmp_path / "cache"), results)) for _ in range(5)]
    for worker in workers:
        worker.start()
    assert [results.get(timeout=60) for _ in workers] == [b"alpha"] * 5
    for worker in workers:
        worker.join()
    assert not leftovers(tmp_path / "cache")


def test_a_killed_fetch_leaves_nothing_in_the_way(registry, tmp_path):
    """SIGKILL between unpacking and the receipt; then a fetch as if nothing had been."""
    cache = tmp_path / "cache"
    code = f"""
import os, signal
from pathlib import Path
from vocabsem.sources import fetching
fetching.sha256_of = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
fetching.fetch({TEXT!r}, Path({str(cache)!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -9
    assert leftovers(cache), "the kill came while the file was unpacked"
    assert cached(TEXT, cache) is None
    assert fetch(TEXT, cache).path.read_bytes() == b"alpha"
    assert not leftovers(cache)


def test_a_full_or_readonly_cache_is_named(registry, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(DownloadFailed, match=r"cannot keep 'pypi:toy-data.*cache: "):
        fetch(TEXT, tmp_path / "cache")


# Files


def test_a_file_is_its_own_cache(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    (tmp_path / "rows.csv").write_bytes(b"a,b")
    monkeypatch.chdir(tmp_path)
    fetched = fetch("file:rows.csv", cache, sha256=sha(b"a,b"))
    assert fetched.path == tmp_path / "rows.csv"
    assert cached("file:rows.csv", cache) == fetched
    # Same size, other bytes: noticed by the time of change.
    (tmp_path / "rows.csv").write_bytes(b"c,d")
    os.utime(tmp_path / "rows.csv", ns=(1, 1))
    assert cached("file:rows.csv", cache).sha256 == sha(b"c,d")
    with pytest.raises(SourceError, match="its card says"):
        fetch("file:rows.csv", cache, sha256=sha(b"a,b"))


def test_a_relative_file_means_another_one_elsewhere(tmp_path, monkeypatch):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows.csv").write_text(name)
        os.utime(tmp_path / name / "rows.csv", ns=(1, 1))
    monkeypatch.chdir(tmp_path / "here")
    assert fetch("file:rows.csv", tmp_path / "cache").sha256 == sha(b"here")
    monkeypatch.chdir(tmp_path / "there")
    assert fetch("file:rows.csv", tmp_path / "cache").sha256 == sha(b"there")


def test_a_missing_file_names_where_it_was_looked_for(tmp_path):
    with pytest.raises(SourceError, match=rf"{tmp_path}/absent.csv does not exist"):
        fetch(f"file:{tmp_path}/absent.csv", tmp_path / "cache")
    assert cached(f"file:{tmp_path}/absent.csv", tmp_path / "cache") is None


def test_a_folder_hashes_by_names_and_bytes_not_by_times(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "x").write_text("1")
        (tmp_path / name / "y").write_text("2")
    assert sha256_of(tmp_path / "a") == sha256_of(tmp_path / "b")
    (tmp_path / "b" / "y").rename(tmp_path / "b" / "z")
    assert sha256_of(tmp_path / "a") != sha256_of(tmp_path / "b")


def test_patterns_choose_what_is_hashed(tmp_path):
    (tmp_path / "x.json").write_text("1")
    alone = sha256_of(tmp_path)
    (tmp_path / "y.bin").write_text("2")
    assert sha256_of(tmp_path, ["*.json"]) == alone != sha256_of(tmp_path)


# The hub


def closed_port() -> int:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.server_close()
    return int(server.server_address[1])


REPOSITORY = {"config.json": b'{"model_type": "gpt2"}', "data/train.csv": b"text,label\na,0\n", "big.bin": b"x" * 5000}


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's protocol as a download of one small repository needs."""

    requested: list[str]
    gated = False
    commit = COMMIT
    repository = REPOSITORY

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        path = self.path.split("?")[0].removeprefix("/api")
        self.requests.append(f"{self.command} {path}")
        known = (
            "/models/org/name" in path or "/datasets/org/name" in path or path.startswith(("/org/name/", "/datasets/"))
        )
        if not known:
            return self.reply(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)
        if "/revision/nope" in path:
            return self.reply(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body)
        if "/resolve/" in path:
            if self.gated:
                return self.reply(403, b"{}", {"X-Error-Code": "GatedRepo"}, body)
            name = path.split(f"/resolve/{self.commit}/", 1)[1]
            data = self.repository[name]
            return self.reply(200, data, {"ETag": f'"{sha(data)}"', "X-Repo-Commit": self.commit}, body)
        if "/tree/" in path:
            tree = [{"type": "file", "path": n, "size": len(d), "oid": sha(d)} for n, d in self.repository.items()]
            return self.reply(200, json.dumps(tree).encode(), {}, body)
        info = {"id": "org/name", "sha": self.commit, "siblings": [{"rfilename": name} for name in self.repository]}
        return self.reply(200, json.dumps(info).encode(), {}, body)

    def reply(self, status, data, headers, body):
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(data)), "Content-Type": "application/json"} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(data)


@pytest.fixture
def hub(monkeypatch):
    handler = type("ThisHub", (Hub,), {"requests": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_repository_at_its_commit(hub, tmp_path):
    fetched = fetch("hf:org/name@main", tmp_path / "cache", patterns=["*.json"])
    assert fetched.revision == COMMIT
    assert [p.name for p in fetched.path.rglob("*") if p.is_file()] == ["config.json"]
    assert fetched.sha256 == sha(f"config.json {sha(REPOSITORY['config.json'])}\n".encode())
    requested = len(hub.requests)
    assert fetch("hf:org/name@main", tmp_path / "cache", patterns=["*.json"]) == fetched
    assert cached("hf:org/name@main", tmp_path / "cache") == fetched
    assert len(hub.requests) == requested, "the second time the hub gets no request"


def test_one_file_or_one_folder_of_a_data_set(hub, tmp_path):
    file = fetch("hf:datasets/org/name@main/data/train.csv", tmp_path / "cache")
    assert (file.path.read_bytes(), file.sha256) == (REPOSITORY["data/train.csv"], sha(REPOSITORY["data/train.csv"]))
    folder = fetch("hf:datasets/org/name@main/data/", tmp_path / "cache")
    assert [p.name for p in folder.path.iterdir()] == ["train.csv"]
    assert not any("big.bin" in path for path in hub.requests)


def test_what_the_hub_does_not_have(hub, tmp_path):
    with pytest.raises(SourceError, match="no model other/name on the hub, or it is private"):
        fetch("hf:other/name@main", tmp_path)
    with pytest.raises(SourceError, match="model org/name has no revision 'nope'"):
        fetch("hf:org/name@nope", tmp_path)
    with pytest.raises(SourceError, match="no 'absent/' in datasets/org/name at main"):
        fetch("hf:datasets/org/name@main/absent/", tmp_path)


def test_a_license_to_accept_is_stated(hub, tmp_path):
    hub.gated = True
    with pytest.raises(
        DownloadFailed, match="asks for a license to be accepted: accept it on its page, then set HF_TOKEN"
    ):
        fetch("hf:org/name@main", tmp_path, patterns=["*.json"])


def test_no_hub_is_no_wait(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    began = time.monotonic()
    with pytest.raises(
        DownloadFailed, match=r"cannot reach the hub for model org/name .*or use a local copy with file:"
    ):
        fetch("hf:org/name@main", tmp_path / "cache")
    assert time.monotonic() - began < 10
    assert cached("hf:org/name@main", tmp_path / "cache") is None


def test_a_silent_hub_is_left_after_seconds(tmp_path, monkeypatch):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts, never answers
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setattr("vocabsem.sources.hub.PROBE_SECONDS", 0.5)
        began = time.monotonic()
        with pytest.raises(DownloadFailed, match="cannot reach the hub"):
            fetch("hf:org/name@main", tmp_path / "cache")
        assert time.monotonic() - began < 10


def test_offline_takes_what_is_there(hub, tmp_path, monkeypatch):
    from vocabsem.sources.hub import fetch_from_hub

    path, _ = fetch_from_hub("org/name", COMMIT, ["*.json"], tmp_path)
    requested = len(hub.requests)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert fetch_from_hub("org/name", COMMIT, ["*.json"], tmp_path) == (path, COMMIT)
    with pytest.raises(DownloadFailed, match=r"org/other is not in .* and HF_HUB_OFFLINE is set"):
        fetch_from_hub("org/other", "main", None, tmp_path)
    assert len(hub.requests) == requested


MOVED = "d" * 40
MAIN = "hf:org/name@main"


def test_a_revision_that_moved_is_fetched_anew_with_the_same_patterns(hub, tmp_path):
    before = fetch(MAIN, tmp_path, patterns=["*.json"])
    hub.commit, hub.repository = MOVED, REPOSITORY | {"config.json": b"{}"}
    assert cached(MAIN, tmp_path) == before, "no request was made"
    refresh(MAIN, tmp_path)
    now = cached(MAIN, tmp_path)
    assert now.revision == MOVED
    assert now.sha256 != before.sha256
    assert [p.name for p in now.path.rglob("*") if p.is_file()] == ["config.json"]
    assert (now.path / "config.json").read_bytes() == b"{}"


def test_a_revision_that_did_not_move_costs_one_question(hub, tmp_path):
    before = fetch(MAIN, tmp_path, patterns=["*.json"])
    hub.requests.clear()
    refresh(MAIN, tmp_path)
    assert len(hub.requests) == 1
    assert cached(MAIN, tmp_path) == before


def test_another_commit_of_the_same_files_has_the_same_hash(hub, tmp_path):
    before = fetch(MAIN, tmp_path, patterns=["*.json"])
    hub.commit = MOVED
    refresh(MAIN, tmp_path)
    assert cached(MAIN, tmp_path).sha256 == before.sha256


def test_what_cannot_move_or_was_never_fetched_is_not_requested(hub, tmp_path):
    (tmp_path / "rows.jsonl").write_text("{}")
    pinned = f"hf:org/name@{COMMIT}"
    fetch(pinned, tmp_path, patterns=["*.json"])
    hub.requests.clear()
    for source in (pinned, MAIN, f"file:{tmp_path / 'rows.jsonl'}", "pypi:wares==1.0/wares/x.csv"):
        refresh(source, tmp_path)
    assert hub.requests == []


def test_without_an_answer_the_old_copy_stays(hub, tmp_path, monkeypatch):
    before = fetch(MAIN, tmp_path, patterns=["*.json"])
    hub.commit = MOVED
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    refresh(MAIN, tmp_path)
    assert cached(MAIN, tmp_path) == before


def test_a_download_that_fails_keeps_the_old_copy(hub, tmp_path):
    before = fetch(MAIN, tmp_path, patterns=["*.json"])
    hub.commit, hub.gated, hub.repository = MOVED, True, REPOSITORY | {"config.json": b"{}"}
    with pytest.raises(DownloadFailed):
        refresh(MAIN, tmp_path)
    assert cached(MAIN, tmp_path) == before
