"""Compare int8 products with bfloat16 and float32 on a CPU: the tables of docs/performance.md.

`python scripts/int8.py --home DIR`. Every linear layer of the model multiplies int8 rows, each with a scale of its own,
by int8 weights with a scale for each output; the share of the input columns that are largest on 32 training texts stays
in bfloat16 (Dettmers et al., 2022, "LLM.int8()"). Printed, of 200 test texts of rotten_tomatoes: seconds of processor
time, and the cosine of the last states with those of float32, both without their mean.

`--quantization torchao-int8` compares the model of a card with that key, in both dtypes, in their place, and prints the
bytes of each model's weights too.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from vocabsem.cards.loader import load_card
from vocabsem.datasets.examples import read_examples
from vocabsem.models.language_model import load_model
from vocabsem.prompts.prompting import encode_prompts
from vocabsem.sources.readers import fetch_files
from vocabsem.states.extraction import extract

SHARES = (0.01, 0.05, 0.15)
TEXTS = {"train": 32, "validation": 2, "test": 200}


class Int8Linear(nn.Module):
    """x W without a bias, x (…, D): int8 but for the columns `outliers` of x, which stay as they are."""

    def __init__(self, weight, outliers):
        super().__init__()
        self.outliers, self.kept = outliers, weight[:, outliers].t().contiguous()
        rest = weight.float().index_fill(1, outliers, 0)
        self.scale = rest.abs().amax(1) / 127
        self.quantized = (rest / self.scale[:, None]).round().to(torch.int8).t().contiguous()

    def forward(self, x):
        rows = x.flatten(0, -2)
        rest = rows.index_fill(1, self.outliers, 0)
        scale = rest.abs().amax(1, keepdim=True).float().clamp(min=1e-6) / 127
        quantized = (rest / scale.to(rest.dtype)).round_().to(torch.int8)
        product = torch._int_mm(quantized, self.quantized).float().mul_(scale).mul_(self.scale).to(x.dtype)
        return product.addmm_(rows[:, self.outliers], self.kept).unflatten(0, x.shape[:-1])


def largest(model, prompts):
    """{name of a linear layer: largest entry of each input column (D,) on the prompts}."""
    most = {}

    def note(name):
        def hook(_, given):
            seen = given[0].detach().abs().flatten(0, -2).amax(0).float()
            most[name] = torch.maximum(most.get(name, seen), seen)

        return hook

    layers = {name: each for name, each in model.network.named_modules() if isinstance(each, nn.Linear)}
    hooks = [layer.register_forward_pre_hook(note(name)) for name, layer in layers.items() if name != "lm_head"]
    states(model, prompts)
    for hook in hooks:
        hook.remove()
    return most


def quantize(model, most, share):
    """Replace the linear layers, a share of whose columns stay in bfloat16."""
    for name, each in most.items():
        parent, _, leaf = name.rpartition(".")
        owner, outliers = model.network.get_submodule(parent), each.topk(max(1, round(share * len(each)))).indices
        setattr(owner, leaf, Int8Linear(getattr(owner, leaf).weight.detach(), outliers.sort().values))
    return model


def states(model, prompts):
    return next(iter(extract(model, prompts, ["last"]).values()))


def weight_bytes(model):
    """Of all tensors that the weights are made of, those shared counted once."""
    tensors = {}
    for each in model.network.parameters():
        inner = (
            [getattr(each, name) for name in each.__tensor_flatten__()[0]]
            if type(each.data) is not torch.Tensor
            else [each]
        )
        tensors |= {one.data_ptr(): one.nbytes for one in inner}
    return sum(tensors.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--quantization", choices=["torchao-int8"])
    given = parser.parse_args()
    cache, card, data = given.home / "cache", load_card("models", given.model), load_card("datasets", "rotten_tomatoes")
    examples = read_examples(data, fetch_files(data, cache), limits=TEXTS, cache=cache / "datasets")
    plain = {dtype: load_model(card, cache, dtype=dtype) for dtype in ("float32", "bfloat16")}
    train, test = (
        encode_prompts(
            plain["float32"].tokenizer,
            data.template,
            [fields for fields, of in zip(examples.fields, examples.split, strict=True) if of == split],
            max_tokens=card.max_tokens,
            prepend_bos=card.prepend_bos,
        ).token_ids
        for split in ("train", "test")
    )
    if given.quantization:
        smaller = card.model_copy(update={"quantization": given.quantization})
        rounded = ((f"{given.quantization}, {dtype}", load_model(smaller, cache, dtype=dtype)) for dtype in plain)
    else:
        most = largest(plain["bfloat16"], train)
        sys.stdout.write(f"largest entry: {max(float(each.max()) for each in most.values()):,.0f}\n")
        rounded = (
            (f"int8, {share:.0%}", quantize(load_model(card, cache, dtype="bfloat16"), most, share)) for share in SHARES
        )
    exact, seconds = None, {}
    for name, model in (*plain.items(), *rounded):
        began = time.process_time()
        centered = states(model, test)
        seconds[name] = time.process_time() - began
        centered = centered - centered.mean(axis=0)
        exact = centered if exact is None else exact
        cosine = (centered * exact).sum(1) / np.linalg.norm(centered, axis=1) / np.linalg.norm(exact, axis=1)
        size = f", {weight_bytes(model) / 1e6:.0f} MB" if given.quantization else ""
        sys.stdout.write(f"{name}: {seconds[name]:.1f} s, cosine {cosine.mean():.3f}, least {cosine.min():.3f}{size}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
