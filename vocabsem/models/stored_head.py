"""The head of a checkpoint, read from its safetensors a block of rows at a time: the model is never in memory.

The model is made on the meta device, where weights have no memory. Which tensor of which file its head is follows from
its architecture: names that transformers changes while it loads, and the embedding that a head is tied to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vocabsem.cards.schema import ModelCard
from vocabsem.families.base import HeadModel
from vocabsem.families.head import Head
from vocabsem.families.names import ModelFamily
from vocabsem.families.registry import FAMILIES
from vocabsem.models.checkpoint_files import SafeFolder, open_checkpoint
from vocabsem.models.checkpoint_size import no_larger_than
from vocabsem.models.checkpoints import fetch_checkpoint, load_tokenizer
from vocabsem.models.language_model import require_sizes
from vocabsem.models.transformers_errors import as_source_errors

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["StoredHead", "StoredRows", "stored_head"]


@dataclass(frozen=True, eq=False)
class StoredRows:
    """Consecutive rows of a matrix in a safetensors file.

    Attributes
    ----------
    file : Path
        The file.
    name : str
        Of the matrix in it.
    dtype : torch.dtype
        In which the model holds it: what is stored in another is rounded to it first.
    shape : tuple of int
        Number of rows, and their width.
    first : int
        The row of the file that is row 0.
    """

    file: Path
    name: str
    dtype: "torch.dtype"
    shape: tuple[int, ...]
    first: int = 0

    @property
    def device(self) -> "torch.device":
        """The processor's memory."""
        import torch

        return torch.device("cpu")

    def __getitem__(self, rows: slice) -> "Tensor":
        """Return rows `start` to `stop`, (b, d), in float32."""
        from safetensors import safe_open

        with safe_open(self.file, "pt") as tensors:
            stored: Tensor = tensors.get_slice(self.name)[self.first + rows.start : self.first + rows.stop]
        return stored.to(self.dtype).float()

    def between(self, start: int, stop: int) -> "StoredRows":
        """Return rows `start` to `stop`, read when they are used.

        Parameters
        ----------
        start, stop : int
            Numbers of rows.

        Returns
        -------
        StoredRows
        """
        return replace(self, first=self.first + start, shape=(stop - start, self.shape[1]))


class StoredHead(NamedTuple):
    """A head that lies in a file.

    Parameters
    ----------
    head : Head
        Its weight is on the meta device: a shape without numbers.
    rows : StoredRows
        Those that belong to the tokenizer.
    tokenizer : PreTrainedTokenizerBase
        Of the model.
    """

    head: Head
    rows: StoredRows
    tokenizer: "PreTrainedTokenizerBase"


def stored_head(card: ModelCard, cache: Path) -> StoredHead | None:
    """Find a model's head in its files; raises as `load_model` does.

    Parameters
    ----------
    card : ModelCard
        The model.
    cache : Path
        Folder of fetched sources.

    Returns
    -------
    StoredHead or None
        None where the head is no tensor of the files as it is, and the model has to be loaded: an encoder has none,
        and some architectures make it of several.

    Examples
    --------
    >>> stored_head(load_card("models", "smollm2-135m"), Path(".vocabsem/cache")).rows.shape  # doctest: +SKIP
    (49152, 576)
    """
    import torch

    folder, digest = fetch_checkpoint(card, cache)
    tokenizer = load_tokenizer(card, cache)
    with as_source_errors(folder), open_checkpoint(folder) as checkpoint:
        network = _outline(folder, checkpoint, card.family)
        model = FAMILIES[card.family].of_checkpoint(card.name, digest, network, tokenizer, "float32", folder)
        if not isinstance(model, HeadModel) or (dtype := _dtype(network, checkpoint)) is None:
            return None
        require_sizes(card, model)
        files = dict(_tensor_files(network, checkpoint, folder))
        decoder = network.get_output_embeddings()
        (module,) = (name for name, each in network.named_modules() if each is decoder)
        stored = _stored(network, f"{module}.weight", files, dtype)
        if stored is None or stored.shape != tuple(decoder.weight.shape):
            return None
        for name in _biases(network, module):
            if (bias := _stored(network, name, files, dtype)) is None:
                return None
            owner, _, attribute = name.rpartition(".")
            values = bias[0 : bias.shape[0]]
            module_of_bias: Any = network.get_submodule(owner)
            setattr(module_of_bias, attribute, torch.nn.Parameter(values, False) if owner else values)
        with model.own_head() as head:
            return StoredHead(head, stored.between(0, head.tokens), tokenizer)


def _outline(folder: Path, checkpoint: SafeFolder, family: ModelFamily) -> "PreTrainedModel":
    """Return the network without weights."""
    import torch
    import transformers

    config = transformers.AutoConfig.from_pretrained(checkpoint.path, local_files_only=True, trust_remote_code=False)
    dtype = config.dtype
    with no_larger_than(folder, checkpoint), torch.device("meta"):
        loader: Any = getattr(transformers, FAMILIES[family].loader)
        network: PreTrainedModel = loader.from_config(config, trust_remote_code=False)
    network.config.dtype = dtype  # which `from_config` sets where the file names none
    return network


def _dtype(network: "PreTrainedModel", checkpoint: SafeFolder) -> "torch.dtype | None":
    """Return the dtype in which transformers holds weights by default; None where that is not one."""
    from transformers.modeling_utils import get_state_dict_dtype, load_state_dict

    dtype: Any = network.config.dtype
    if dtype is None:
        files = sorted(checkpoint.path.glob("*.safetensors"))
        dtype = get_state_dict_dtype(load_state_dict(str(files[0]), map_location="meta")) if len(files) == 1 else None
    exceptions = dtype is not None and network._get_dtype_plan(dtype)
    single: torch.dtype | None = None if exceptions else dtype
    return single


def _tensor_files(
    network: "PreTrainedModel", checkpoint: SafeFolder, folder: Path
) -> Iterator[tuple[str, tuple[Path, str]]]:
    """Yield each parameter that is one tensor of the files, with its file and its name there."""
    from safetensors import safe_open
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

    changes = get_model_conversion_mapping(network)
    renamings = [each for each in changes if isinstance(each, WeightRenaming)]
    converters = [each for each in changes if isinstance(each, WeightConverter)]
    parameters = network.state_dict()
    for link in sorted(checkpoint.path.glob("*.safetensors")):
        with safe_open(link, "pt") as tensors:
            for key in tensors.keys():  # noqa: SIM118  no mapping
                name, converted = rename_source_key(key, renamings, converters, network.base_model_prefix, parameters)
                if converted is None:
                    yield name, (folder / link.name, key)


def _stored(
    network: "PreTrainedModel", name: str, files: Mapping[str, tuple[Path, str]], dtype: "torch.dtype"
) -> StoredRows | None:
    """Return where a parameter lies: under its own name, or that of one that it is tied to."""
    from safetensors import safe_open

    ties: dict[str, str] = network.all_tied_weights_keys
    source = ties.get(name, name)
    names = (name, source, *(target for target, its in ties.items() if its == source))
    file, key = next((files[each] for each in names if each in files), (None, ""))
    if file is None:
        return None
    with safe_open(file, "pt") as tensors:
        return StoredRows(file, key, dtype, tuple(tensors.get_slice(key).get_shape()))


def _biases(network: "PreTrainedModel", module: str) -> list[str]:
    """Return the names of what is added to the logits: the head's own bias, or that of BART."""
    return [name for name in (f"{module}.bias", "final_logits_bias") if name in network.state_dict()]
