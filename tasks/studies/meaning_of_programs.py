"""Generated programs, and states at their ends by the model and by its architecture without training."""

from itertools import chain

import numpy as np

from tasks.models.loaded import inference, loaded_causal, tokenizing
from tasks.studies.inputs import Inputs
from vocabsem.errors import CardError
from vocabsem.instruments.base import Space, StudyResult
from vocabsem.instruments.meaning_of_programs import STATE, meaning_of_programs_study
from vocabsem.instruments.programs import make_programs, number_of_programs
from vocabsem.models.untrained import untrained
from vocabsem.prompts.prompting import encode_texts
from vocabsem.states.extraction import check_head
from vocabsem.states.token_states import extract_tokens

MOST_OPERATIONS = 12


def measure(inputs: Inputs) -> StudyResult:
    """Probe the value of the variable of programs."""
    params, spec = inputs.params, inputs.spec
    n, operations = params["programs"], params["operations"]
    if operations > MOST_OPERATIONS:
        raise CardError(f"study {spec.study}: operations is {operations}: give at most {MOST_OPERATIONS}")
    wanted, most = n + params["held_out"], number_of_programs(operations)
    if wanted > most:
        raise CardError(
            f"study {spec.study}: programs and held_out are {wanted}, and there are {most} programs of {operations}"
            " operations: give fewer, or more operations"
        )
    programs = make_programs(wanted, operations, inputs.sampling.generator(2))
    ids = _prompts(inputs, programs.lines)
    longest = max(map(len, ids))
    if longest > spec.max_tokens:
        raise CardError(
            f"study {spec.study}: a program of {operations} operations is {longest} tokens, and max_tokens is"
            f" {spec.max_tokens}: raise it, or give fewer operations"
        )
    last = np.cumsum([len(tokens) for tokens in ids]) - 1
    with inference():
        network = loaded_causal(inputs.model, inputs.home, spec.dtype, inputs.device)
        check_head(network, ids)
        made = {STATE: extract_tokens(network, ids, spec.layers)}
        made["untrained"] = extract_tokens(untrained(network, spec.seed), ids, spec.layers)
    spaces = [Space(variant, layer, rows[last]) for variant, of in made.items() for layer, rows in of.items()]
    lines = ["; ".join(of) for of in programs.lines]
    values = programs.true[:, -1], programs.swapped[:, -1]
    numbers = np.unique([of[-1] for of in programs.lines], return_inverse=True)[1] if params["control"] else None
    unit = f"{operations} operations"
    return meaning_of_programs_study(unit, spaces, *values, lines, n, inputs.sampling, last=numbers)


def _prompts(inputs: Inputs, programs: tuple[tuple[str, ...], ...]) -> list[list[int]]:
    """Return the tokens of programs. A line is encoded by itself, its end included: no token is of two."""
    every = sorted({line for lines in programs for line in lines})
    with tokenizing(inputs.model, inputs.home) as tokenizer:
        encoded = encode_texts(tokenizer, [f"{line}\n" for line in every], split_special_tokens=True)
        start = [int(tokenizer.bos_token_id)] if inputs.model.prepend_bos else []
    tokens = dict(zip(every, encoded, strict=True))
    return [[*start, *chain.from_iterable(tokens[line] for line in lines)] for lines in programs]
