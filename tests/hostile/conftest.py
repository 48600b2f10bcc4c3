"""What tests of hostile input share."""

import pickle

import pytest


@pytest.fixture
def trap(tmp_path):
    """Bytes that write a file when they are unpickled, and that file."""
    path = tmp_path / "sprung"

    class Trap:
        def __reduce__(self):
            return (open, (str(path), "w"))

    return pickle.dumps(Trap()), path
