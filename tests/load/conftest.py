from tests.chaos.conftest import cases  # noqa: F401
