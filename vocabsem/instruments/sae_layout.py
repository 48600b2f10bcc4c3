"""Dictionaries in the layout of SAE Lens: cfg.json and sae_weights.safetensors in a folder.

batchtopk is there what SAE Lens makes of it, jumprelu with one threshold. It has nothing like top_afa.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from vocabsem.errors import DataError
from vocabsem.instruments.sparse_autoencoder import Autoencoder

__all__ = ["ARCHITECTURES", "export_sae", "sae_file"]

ARCHITECTURES = {"topk": "topk", "abstopk": "abstopk", "batchtopk": "jumprelu"}
"""Activation → the name of what does the same in SAE Lens."""
CONFIG = "cfg"


def sae_file(dictionary: Autoencoder, model: str, layer: int) -> bytes:
    """Return the weights as safetensors, with the config among the metadata.

    Parameters
    ----------
    dictionary : Autoencoder
        Of an activation in `ARCHITECTURES`.
    model : str
        Whose states these are.
    layer : int
        Of the states: the residual stream after so many blocks, the last one after the final norm.

    Returns
    -------
    bytes
    """
    from safetensors.numpy import save

    d, m = dictionary.encoder.shape
    architecture = ARCHITECTURES[dictionary.activation]
    config: dict[str, Any] = {
        "architecture": architecture,
        "d_in": d,
        "d_sae": m,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"model_name": model, "hook_name": f"hidden_states.{layer}", "activation": dictionary.activation},
    }
    weights = {
        "W_enc": dictionary.encoder,
        "b_enc": dictionary.bias,
        "W_dec": dictionary.decoder,
        "b_dec": dictionary.center,
    }
    if architecture == "jumprelu":
        weights["threshold"] = np.full(m, dictionary.threshold)
    else:
        config |= {"k": dictionary.k, "rescale_acts_by_decoder_norm": False}
    tensors = {name: np.ascontiguousarray(values, np.float32) for name, values in weights.items()}
    return bytes(save(tensors, {CONFIG: json.dumps(config)}))


def export_sae(file: Path, folder: Path) -> None:
    """Write a file of `sae_file` as the two files that `SAE.load_from_disk` of SAE Lens reads.

    Parameters
    ----------
    file : Path
        Safetensors with the config among the metadata.
    folder : Path
        Where both go; it may exist.

    Raises
    ------
    DataError
        Where the folder cannot be written.
    """
    from safetensors import safe_open

    with safe_open(file, framework="np") as handle:
        config = json.loads(handle.metadata()[CONFIG])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cfg.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        (folder / "sae_weights.safetensors").write_bytes(file.read_bytes())
    except OSError as error:
        raise DataError(f"{folder} cannot be written ({error.strerror or error}): name another folder") from error
