"""The wheel, built once, and an environment with it."""

import pytest

from tests.install.environments import OTHERS, Environment, build


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """The wheel beside packages of others that have the names of ours, also in the working directory."""
    environment = Environment(tmp_path_factory.mktemp("installed")).borrow_packages()
    environment.install("--no-index", "--no-deps", wheel)
    for name in OTHERS:
        environment.add_package(name, "OWNER = 'another package'\n")
        (environment.here / name).mkdir()
        (environment.here / name / "__init__.py").write_text("OWNER = 'the working directory'\n")
    return environment
