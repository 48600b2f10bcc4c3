"""A newcomer types what README and docs say, line by line, in an empty folder, against an installed copy."""

import json
import os
import shlex
import shutil
import time

import pytest
from typer.main import get_command

from flows.cli.command_line import app
from tests.install.environments import Environment, build
from tests.newcomer.typed import PAGES, reason_to_leave_out, typed, write_files

SHELLS = ["bash", "zsh"]
COMMANDS = get_command(app).commands


@pytest.mark.parametrize("page", PAGES)
def test_every_line_that_is_typed_names_a_command(page):
    for line in typed(page):
        if reason_to_leave_out(line) is None:
            assert shlex.split(line)[1] in COMMANDS, line


def test_most_of_the_readme_is_walked():
    lines = typed("README.md")
    walked = [line for line in lines if reason_to_leave_out(line) is None]
    assert len(walked) >= 14
    commands = {shlex.split(line)[1] for line in walked}
    assert commands >= {"run", "leaderboard", "report", "sql", "export", "lens", "predict"}


@pytest.fixture(scope="module")
def began(tmp_path_factory, cache):
    """An installed copy and an empty folder, with downloads of other runs; the quickstart was planned, and ran. With
    the seconds that it was to take, and took."""
    environment = Environment(tmp_path_factory.mktemp("newcomer")).borrow_packages()
    environment.install("--no-index", "--no-deps", build(tmp_path_factory.mktemp("wheel")))
    write_files(environment.here)
    (environment.here / ".vocabsem").mkdir()
    (environment.here / ".vocabsem" / "cache").symlink_to(cache)
    planned = environment.vocabsem("plan", "quickstart", "--json", timeout=600)
    assert planned.returncode == 0, planned.stderr
    start = time.monotonic()
    done = environment.vocabsem("run", "quickstart", timeout=3000)
    took = time.monotonic() - start
    assert done.returncode == 0, done.stderr
    return environment, json.loads(planned.stdout)["cost"]["total_seconds"], took


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_plan_on_a_new_machine_is_within_a_factor_of_one_and_a_half(began, capsys):
    _, planned, took = began
    with capsys.disabled():
        print(f"\nplanned {planned:.0f} s, took {took:.0f} s")  # noqa: T201
    assert planned / 1.5 < took < planned * 1.5


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("shell", SHELLS)
def test_the_lines_work_as_they_stand(began, shell, capsys):
    newcomer, *_ = began
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = f"{newcomer.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    lines = list(dict.fromkeys(line for page in PAGES for line in typed(page)))
    left_out = {line: reason for line in lines if (reason := reason_to_leave_out(line))}
    shutil.rmtree(newcomer.here / "cards", ignore_errors=True)  # of the shell before, which a second init refuses
    failed = []
    walked = [line for line in lines if line not in left_out]
    for line in walked:
        done = newcomer.run(shell, "-c", line, timeout=3000, PATH=path, COLUMNS="80")
        if done.returncode:
            failed.append(f"{line}\n  exit code {done.returncode}: {done.stderr.strip()[-300:]}")
    with capsys.disabled():
        print(f"\n{shell}: {len(walked)} lines typed, {len(failed)} failed, {len(left_out)} left out")  # noqa: T201
    assert not failed, "\n".join(failed)
