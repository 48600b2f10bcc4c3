"""Wheels and files made to write elsewhere, to fill the disk or to be read for ever."""

import os
import socket
import stat
import struct
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabsem.errors import BadInput, SourceError
from vocabsem.sources.fetching import fetch
from vocabsem.sources.wheels import unpack

pytestmark = pytest.mark.medium

SECONDS = 10


def wheel(path: Path, members: dict[str, bytes], mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo("x")
            info.filename, info.external_attr, info.compress_type = name, mode << 16, method
            archive.writestr(info, data)
    return path


def refused(call, *arguments):
    """The one line of the error, which came in time."""
    began = time.monotonic()
    with pytest.raises(BadInput) as caught:
        call(*arguments)
    assert time.monotonic() - began < SECONDS
    message = str(caught.value)
    assert caught.value.exit_code == 2
    assert "\n" not in message
    assert len(message) < 1000, "names are cut"
    return message


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_a_double_slash_does_not_lead_out(tmp_path):
    outside = tmp_path / "slip"
    made = wheel(tmp_path / "w.whl", {"a/good.txt": b"good", f"a/{outside}": b"evil"})
    assert "its name leaves its folder" in refused(unpack, made, "a/", tmp_path / "in" / "out")
    assert files_below(tmp_path) == ["w.whl"], "nothing is written, not even the good member"


@pytest.mark.parametrize(
    "names",
    [
        ["a/../../slip"],
        ["a/x/../../../slip"],
        ["a/..\\slip"],
        ["a/.."],
        ["a/."],
        ["a//", "a///etc/slip"],
        ["a/x", "a/x/y"],
        ["a/" + "n" * 256],
        ["a/" + "n/" * 2500 + "n"],
        ["a/" + "\N{GRINNING FACE}" * 80],
    ],
)
def test_names_that_cannot_be_written_below_a_folder(tmp_path, names):
    made = wheel(tmp_path / "w.whl", dict.fromkeys(names, b"evil"))
    refused(unpack, made, "a/", tmp_path / "in" / "out")
    assert files_below(tmp_path) == ["w.whl"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
@pytest.mark.parametrize("path", ["a/", "a/member"])
def test_links_and_devices_are_no_files(tmp_path, kind, path):
    made = wheel(tmp_path / "w.whl", {"a/member": b"/etc/passwd"}, kind | 0o777)
    assert "a link or a device" in refused(unpack, made, path, tmp_path / "out")
    assert files_below(tmp_path) == ["w.whl"]


def test_an_encrypted_member(tmp_path):
    made = wheel(tmp_path / "w.whl", {"a/x": b"data"}, method=zipfile.ZIP_STORED)
    data = bytearray(made.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    made.write_bytes(data)
    assert "it is encrypted" in refused(unpack, made, "a/", tmp_path / "out")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packed_otherwise(tmp_path, method):
    made = wheel(tmp_path / "w.whl", {"a/x": b"data"}, method=method)
    assert "packed in another way" in refused(unpack, made, "a/x", tmp_path / "out")


def test_a_bomb(tmp_path):
    made = wheel(tmp_path / "w.whl", {"a/zeros": bytes(32 << 20)})
    assert "would unpack to 33,554,432" in refused(unpack, made, "a/", tmp_path / "out")
    assert files_below(tmp_path) == ["w.whl"]


def test_members_that_share_their_bytes(tmp_path):
    """A bomb without a large ratio in any member: many entries point at one."""
    made = wheel(tmp_path / "w.whl", {f"a/{n:02}": os.urandom(5000) if n == 0 else b"" for n in range(20)})
    data = bytearray(made.read_bytes())
    first = data.index(b"PK\x01\x02")
    sizes, at = data[first + 16 : first + 28], first
    while (at := data.find(b"PK\x01\x02", at + 1)) > 0:
        data[at + 16 : at + 28] = sizes
        data[at + 42 : at + 46] = struct.pack("<I", 0)
    made.write_bytes(data)
    assert "would unpack to" in refused(unpack, made, "a/", tmp_path / "out")


def test_a_member_whose_bytes_are_damaged(tmp_path):
    made = wheel(tmp_path / "w.whl", {"a/x": b"some text that packs " * 100})
    data = bytearray(made.read_bytes())
    data[34:50] = b"\xff" * 16
    made.write_bytes(data)
    assert "not a whole wheel" in refused(unpack, made, "a/x", tmp_path / "out")


PARTS = st.sampled_from(["a", "/", ".", "..", "../", "\\", "~", "é", "\n", "b/", "C:"])
NAMES = st.lists(PARTS, max_size=8).map("".join)


@settings(max_examples=100, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), st.sampled_from([0, 0o100644, 0o120777]), st.binary())
def test_no_wheel_writes_outside_its_folder(tmp_path_factory, names, mode, flips):
    folder = tmp_path_factory.mktemp("wheel")
    made = wheel(folder / "w.whl", {f"a/{name}": b"data" for name in names}, mode)
    data = bytearray(made.read_bytes())
    for number, flip in enumerate(flips[:4]):
        data[(flip * 31 + number * 7) % len(data)] ^= flip
    made.write_bytes(data)
    (folder / "in").mkdir()
    with suppress(SourceError):
        unpack(made, "a/", folder / "in" / "out")
    inside = [name for name in files_below(folder) if name != "w.whl"]
    assert all(name.startswith("in/out/") for name in inside), inside


# Files of this machine


@pytest.fixture(params=["pipe", "socket", "link", "in a folder", "/dev/zero", "/dev/stdin", "/proc/kmsg", "/proc", "/"])
def no_file(request, tmp_path):
    if request.param.startswith("/"):
        yield Path(request.param)
        return
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "rows.csv"
    if request.param == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            yield path
        return
    if request.param == "link":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(path)
    yield folder if request.param == "in a folder" else path


def test_devices_pipes_and_sockets_are_no_sources(no_file, tmp_path):
    refused(fetch, f"file:{no_file}", tmp_path / "cache")
    assert not (tmp_path / "cache").exists(), "no receipt"


@pytest.mark.parametrize(
    "source",
    ["file:" + "n" * 5000, "file:" + "n/" * 5000, "file:a\0b", "hf:../..@main", "hf:org/name@..%2F..", "x" * 10_000],
)
def test_sources_that_no_file_can_have(tmp_path, source):
    refused(fetch, source, tmp_path / "cache")


def test_links_in_a_circle(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    refused(fetch, f"file:{tmp_path / 'a'}", tmp_path / "cache")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "again").symlink_to(tmp_path / "folder")
    (tmp_path / "folder" / "x").write_text("1")
    assert fetch(f"file:{tmp_path / 'folder'}", tmp_path / "cache").path == tmp_path / "folder"
