"""Check what this machine and this installation can do, and print a fix for what is missing."""

import importlib.util
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

import psutil
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from rich.table import Column, Table

from flows.cli.console import console
from flows.services.process import ServerFailed, free_port
from flows.services.servers import MLFLOW_PORT, PREFECT_PORT, live_api
from tasks.tracking.migrations import Program
from tasks.tracking.postgres import check_postgres
from vocabsem.errors import BadInput
from vocabsem.installation import CHECKOUT
from vocabsem.runtime.devices import has_nvidia, processor_flags
from warehouse.errors import StoreUnavailable
from warehouse.home import Home
from warehouse.lake.store import store_of

GB = 1e9
LEAST_DISK = 2.0  # GB: the smallest model with its conversion, a few data sets and their states
LEAST_MEMORY = 2.0  # GB: a model of 135 million parameters, its float64 anchors, and Python
UPDATE = "make install" if CHECKOUT else "pip install 'vocabsem[pipeline]'"


@dataclass(frozen=True)
class Finding:
    """One check, and a fix where it is not `ok`."""

    name: str
    value: str
    ok: bool = True
    fix: str = ""


def print_findings(home: Home, as_json: bool) -> bool:
    """Print all findings; return whether all are ok."""
    findings = examine(home)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))  # noqa: T201
    else:
        table = Table("", "check", *(Column(name, overflow="fold") for name in ("value", "fix")), box=None)
        for finding in findings:
            table.add_row("ok" if finding.ok else "!!", finding.name, finding.value, finding.fix)
        console().print(table)
    return all(finding.ok for finding in findings)


def examine(home: Home) -> list[Finding]:
    """Run every check, without a change and without network."""
    findings = [_python(), *_packages(), _pip(), *_processor(), _gpu(), _memory(), *_home(home)]
    findings += [*_databases(), *_servers(home)]
    return [replace(finding, fix="") if finding.ok else finding for finding in findings]


def _python() -> Finding:
    wanted = metadata("vocabsem")["Requires-Python"]
    ok = SpecifierSet(wanted).contains(platform.python_version())
    return Finding("python", f"{platform.python_version()} in {sys.prefix}", ok, f"use Python {wanted}")


def _packages() -> Iterator[Finding]:
    """Check each required package against the versions it is known to work with."""
    for line in requires("vocabsem") or []:
        requirement = Requirement(line)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": "pipeline"})
        if wanted and requirement.name != "pip":  # it has a check of its own
            yield package(requirement)


def package(requirement: Requirement) -> Finding:
    """Check the installed version of a package."""
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        return Finding(requirement.name, f"missing, {requirement.specifier} is needed", False, UPDATE)
    ok = requirement.specifier.contains(installed, prereleases=True)
    return Finding(requirement.name, installed, ok, f"{requirement.specifier} is needed: {UPDATE}")


def _pip() -> Finding:
    """Check pip, which fetches sources that start with `pypi:`."""
    if importlib.util.find_spec("pip"):
        return Finding("pip", version("pip"))
    return Finding("pip", "missing, sources like pypi:package==1.0/file need it", False, "python -m ensurepip")


def _processor() -> Iterator[Finding]:
    flags = processor_flags()
    fast = [name for flag, name in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX-512")) if flag in flags]
    numbers = f"bfloat16 by {' and '.join(fast)}" if fast else "float32 (bfloat16 would be emulated)"
    yield Finding("processor", f"{processor_name()}: {numbers}")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limit = os.environ.get("OMP_NUM_THREADS")
    use = f"OMP_NUM_THREADS={limit}" if limit else "one batch of prompts each"
    yield Finding("threads", f"{usable} of {os.cpu_count()}, {use}")


def processor_name() -> str:
    """Return the model name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()


def _gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        each = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
        return Finding("gpu", ", ".join(f"{gpu.name}, {gpu.total_memory / GB:.0f} GB" for gpu in each))
    if has_nvidia():
        fix = "install the build of torch for its driver: UV_TORCH_BACKEND=auto uv pip install --reinstall torch"
        return Finding("gpu", f"an NVIDIA driver, but torch {torch.__version__} cannot use it", False, fix)
    return Finding("gpu", "none, the CPU is used")


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    free, fix = memory.available / GB, f"{LEAST_MEMORY:g} GB are needed for the smallest model: close other programs"
    return Finding("memory", f"{free:.1f} of {memory.total / GB:.1f} GB available", free >= LEAST_MEMORY, fix)


def _home(home: Home) -> Iterator[Finding]:
    there = next(folder for folder in (home.root, *home.root.parents) if folder.exists())
    fix = f"choose another folder with --home or VOCABSEM_HOME, or fix the permissions of {there}"
    try:
        with tempfile.TemporaryFile(dir=there):
            folder = str(home.root) + ("" if there == home.root else ", created at the first run")
            yield Finding("home", f"{home}, with a folder of this machine, {folder}" if home.url else folder)
    except OSError as error:
        yield Finding("home", f"{home.root}: cannot write to {there}: {error.strerror}", False, fix)
    free = shutil.disk_usage(there).free / GB
    fix = f"{LEAST_DISK:g} GB are needed: remove files, or choose another disk with --home"
    yield Finding("disk", f"{free:.1f} GB free", free >= LEAST_DISK, fix)
    try:
        results = "published" if store_of(home).has(home.catalog) else "none yet: vocabsem run quickstart"
        yield Finding("warehouse", results)
    except StoreUnavailable as error:
        yield Finding("warehouse", "cannot be used", False, str(error))


def _databases() -> Iterator[Finding]:
    """Check the databases of PostgreSQL that the settings of Prefect and MLflow name, if they do."""
    programs: tuple[Program, ...] = ("prefect", "mlflow")
    for program in programs:
        try:
            database = check_postgres(program)
        except BadInput as error:
            yield Finding(f"{program} database", "cannot be used", False, str(error))
            continue
        if database is None:
            continue
        state, fix = "up to date", ""
        if database.schema is None:
            state = "empty, made at the first run"
        elif database.schema != database.newest:
            state = f"at migration {database.schema} of {database.newest}"
            if program == "prefect":
                state += ", which its server brings up to date"
            else:
                fix = 'mlflow db upgrade "$MLFLOW_BACKEND_STORE_URI"'
        value = f"PostgreSQL {database.version}, {database.where}: {state}"
        yield Finding(f"{program} database", value, not fix, fix)


def _servers(home: Home) -> Iterator[Finding]:
    api = live_api(home)
    yield Finding("servers", f"running, Prefect at {api}" if api else "not running: vocabsem up")
    for name, port in (("prefect port", PREFECT_PORT), ("mlflow port", MLFLOW_PORT)):
        try:
            free = free_port(port)
        except ServerFailed as error:
            yield Finding(name, str(port), False, str(error))
            continue
        yield Finding(name, f"{port} is free" if free == port else f"{port} is in use, {free} would be used")
