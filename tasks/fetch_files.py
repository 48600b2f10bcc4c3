"""The files of a study's card: downloaded where they are not cached."""

from collections.abc import Mapping

from tasks.steps.decorator import step_task
from vocabsem.errors import DownloadInterrupted
from vocabsem.sources.fetching import Fetched, fetch
from warehouse.home import Home


@step_task(task_run_name="fetch files", retry_on=(DownloadInterrupted,))
def fetch_files(home: Home, sources: Mapping[str, str], sha256: Mapping[str, str]) -> dict[str, Fetched]:
    """Fetch each source and compare it with its hash, if it has one. Returns the files by name. Raises SourceError."""
    return {name: fetch(source, home.cache, sha256=sha256.get(name)) for name, source in sources.items()}
