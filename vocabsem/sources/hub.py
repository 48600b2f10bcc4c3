"""Fetch files of a repository on the Hugging Face hub, at a known commit; without a hub, fail at once."""

import os
from collections.abc import Sequence
from pathlib import Path

from vocabsem.errors import DownloadFailed, DownloadInterrupted, SourceError

__all__ = ["commit_of", "fetch_from_hub"]

PROBE_SECONDS = 5.0


def fetch_from_hub(repository: str, revision: str, patterns: Sequence[str] | None, cache: Path) -> tuple[Path, str]:
    """Fetch a snapshot of a repository.

    Respects HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE (then only what the cache holds). Finished files are kept when a
    download breaks off.

    Parameters
    ----------
    repository : str
        `org/name` or `datasets/org/name`.
    revision : str
        Branch, tag or commit.
    patterns : sequence of str or None
        Which files; None for all.
    cache : Path
        Folder of snapshots.

    Returns
    -------
    folder : Path
        The local snapshot.
    commit : str

    Raises
    ------
    SourceError
        For an unknown repository or revision.
    DownloadFailed
        Where the hub does not answer, or a license has to be accepted first.
    """
    from huggingface_hub import HfApi, errors, snapshot_download

    kind, name = _kind_and_name(repository)
    endpoint = os.environ.get("HF_ENDPOINT") or None
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
    commit = revision
    failure = DownloadFailed
    try:
        if not offline:
            info = HfApi(endpoint=endpoint).repo_info(name, revision=revision, repo_type=kind, timeout=PROBE_SECONDS)
            commit = info.sha or revision
            failure = DownloadInterrupted
        path = snapshot_download(
            name,
            repo_type=kind,
            revision=commit,
            cache_dir=cache,
            allow_patterns=list(patterns) if patterns else None,
            endpoint=endpoint,
            local_files_only=offline,
        )
    except errors.GatedRepoError:
        raise DownloadFailed(
            f"{kind} {name} asks for a license to be accepted: accept it on its page, then set HF_TOKEN"
        ) from None
    except errors.RepositoryNotFoundError:
        raise SourceError(f"no {kind} {name} on the hub, or it is private: fix the card, or set HF_TOKEN") from None
    except errors.RevisionNotFoundError:
        raise SourceError(f"{kind} {name} has no revision {revision!r} on the hub: fix the card") from None
    except (_http_error(), errors.LocalEntryNotFoundError, ConnectionError, TimeoutError) as error:
        if offline:
            raise DownloadFailed(f"{kind} {name} is not in {cache}, and HF_HUB_OFFLINE is set: unset it once") from None
        raise failure(
            f"cannot reach the hub for {kind} {name} ({type(error).__name__}): check the network and HF_ENDPOINT, "
            "or use a local copy with file:"
        ) from error
    return Path(path), Path(path).name


def commit_of(repository: str, revision: str) -> str | None:
    """Return the commit that a revision names on the hub now.

    Parameters
    ----------
    repository : str
        `org/name` or `datasets/org/name`.
    revision : str
        Branch, tag or commit.

    Returns
    -------
    str or None
        None where the hub does not answer within five seconds.
    """
    from huggingface_hub import HfApi, errors

    kind, name = _kind_and_name(repository)
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)
    try:
        return api.repo_info(name, revision=revision, repo_type=kind, timeout=PROBE_SECONDS).sha
    except (_http_error(), errors.OfflineModeIsEnabled, ConnectionError, TimeoutError):
        return None


def _kind_and_name(repository: str) -> tuple[str, str]:
    return "dataset" if repository.startswith("datasets/") else "model", repository.removeprefix("datasets/")


def _http_error() -> type[Exception]:
    """Return the root of what the hub's HTTP client raises, whichever client its version uses."""
    from huggingface_hub.errors import HfHubHTTPError

    return next(base for base in HfHubHTTPError.__mro__ if base.__name__ == "HTTPError")
