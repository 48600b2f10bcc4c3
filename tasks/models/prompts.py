"""Fields of examples to the prompts of a step, with demonstrations before them where the step has some."""

from dataclasses import replace

import pyarrow as pa

from tasks.models.loaded import tokenizing
from tasks.steps.label_columns import FORMS, ONE
from tasks.steps.lake_reads import read_demonstrations
from tasks.steps.specs import PromptSpec, SplitSpec
from vocabsem.cards.schema import ModelCard
from vocabsem.prompts.chunking import ChunkedPrompts, encode_chunks
from warehouse.home import Home


def encode_fields(
    home: Home, model: ModelCard, fields: list[dict[str, str]], spec: PromptSpec, max_chunks: int = 1
) -> ChunkedPrompts:
    with tokenizing(model, home) as tokenizer:
        return encode_chunks(
            tokenizer,
            spec.template,
            fields,
            max_chunks=max_chunks,
            max_tokens=spec.max_tokens,
            prepend_bos=spec.prepend_bos,
            special_tokens=model.adds_special_tokens,
            chat=model.conversation,
        )


def make_prompts(
    home: Home, model: ModelCard, spec: SplitSpec, fields: list[dict[str, str]], reserved: int = 0
) -> ChunkedPrompts:
    """Return the prompts of a step, with its demonstrations before them.

    reserved: tokens of the model's context that are left to what follows a prompt with demonstrations.
    """
    if spec.demonstrations is None:
        return encode_fields(home, model, fields, spec, spec.max_chunks)
    _, shown, context = read_demonstrations(home, spec.model, spec.dataset, spec.demonstrations)
    with tokenizing(model, home) as tokenizer:
        start = [*([int(tokenizer.bos_token_id)] if spec.prepend_bos else []), *shown]
    limit = min(spec.max_tokens, context - reserved - len(start))
    after = spec.model_copy(update={"prepend_bos": False, "max_tokens": limit})
    chunked = encode_fields(home, model, fields, after, spec.max_chunks)
    token_ids = [start + ids for ids in chunked.prompts.token_ids]
    return replace(chunked, prompts=replace(chunked.prompts, token_ids=token_ids))


def prompt_columns(rows: pa.Table, chunked: ChunkedPrompts) -> dict[str, pa.ChunkedArray | pa.Array]:
    """Return the columns that every shard has: whose row it is, and what became of its text."""
    return {
        "id": rows["id"],
        **{name: rows[name] for name in FORMS[ONE] if name in rows.column_names},
        "tokens": pa.array(chunked.tokens, pa.int32()),
        "truncated": pa.array(chunked.truncated, pa.bool_()),
    }
