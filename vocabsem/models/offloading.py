"""Load models that are larger than memory: weights that do not fit lie on the disk, and are read when they compute."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vocabsem.runtime.devices import offload_limit

__all__ = ["offloaded"]

FOLDER = "offload"


@contextmanager
def offloaded(device: str, cache: Path) -> Iterator[Mapping[str, Any]]:
    """Give the settings with which transformers divides a model between the GPU, memory and the disk.

    Of several GPUs the first is used. safetensors are read where they are; the folder, removed at the end of the
    block, is for weights that transformers stores in another form than the file (experts).

    Parameters
    ----------
    device : str
        As in cards.
    cache : Path
        Folder of fetched sources, in which that folder is made.

    Yields
    ------
    mapping of str to value
        For `from_pretrained`; empty for a device that holds the whole model.

    Raises
    ------
    BadInput
        For an amount of memory that cannot be read.

    Examples
    --------
    >>> from pathlib import Path
    >>> with offloaded("cpu", Path("cache")) as settings:
    ...     print(settings)
    {}
    """
    limit = offload_limit(device)
    if limit is None:
        yield {}
        return
    from accelerate.utils import get_max_memory

    memory = {key: size for key, size in get_max_memory().items() if key == 0} | {"cpu": limit}
    (cache / FOLDER).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache / FOLDER) as folder:
        yield {"device_map": "auto", "max_memory": memory, "offload_folder": folder}
