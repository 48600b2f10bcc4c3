"""Programs of other people's within limits: what they return, and what they may not take."""

import resource
import threading

import pytest

from tests.vocabsem.made_tokenizers import byte_level
from tests.vocabsem.prompts.test_chat import instruct
from vocabsem.errors import CardError
from vocabsem.prompts.chat import Chat
from vocabsem.runtime.bounded import MEMORY, run_bounded

DOUBLING = "{% set ns = namespace(x='x' * 1024) %}{% for i in range(40) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}"
ENDLESS = "".join(f"{{% for {name} in range(99999) %}}" for name in "ijk") + "{% endfor %}" * 3


def limits():
    return resource.getrlimit(resource.RLIMIT_AS)


def test_what_ends_in_time_is_as_without_limits():
    before = limits()
    assert run_bounded(lambda: "text") == "text"
    with pytest.raises(ZeroDivisionError):
        run_bounded(lambda: str(1 // 0))
    assert limits() == before


def test_what_does_not_end_is_ended():
    before, threads = limits(), threading.active_count()
    with pytest.raises(TimeoutError, match=r"within 0\.1 s"):
        run_bounded(lambda: str(sum(1 for _ in iter(int, 1))), seconds=0.1)
    assert limits() == before
    assert threading.active_count() == threads


@pytest.mark.skipif(not MEMORY.exists(), reason="memory is limited on Linux only")
def test_a_chat_template_that_doubles_its_text_for_ever_is_refused():
    before = limits()
    with pytest.raises(CardError, match=r"refuses a chat of user: (MemoryError|it does not end)"):
        Chat().prompt_template(instruct(byte_level, DOUBLING), "{text}")
    assert limits() == before


@pytest.mark.slow  # five seconds
def test_a_chat_template_that_does_not_end_is_refused():
    with pytest.raises(CardError, match="refuses a chat of user: it does not end within 5 s"):
        Chat().prompt_template(instruct(byte_level, ENDLESS), "{text}")
