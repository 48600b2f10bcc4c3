"""What this machine and this set-up can do, what is missing, and the mend."""

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

import psutil
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from flows.services.process import ServerFailed, free_port
from flows.services.servers import MLFLOW_PORT, PREFECT_PORT, live_api
from vocabsem.devices import has_nvidia, processor_flags
from warehouse.home import Home

GB = 1e9
LEAST_DISK = 2.0  # GB: the smallest model with its conversion, a few data sets and their states
LEAST_MEMORY = 2.0  # GB: a model of 135 million parameters, its float64 anchors, and Python
UPDATE = "make install, or pip install -e . -c constraints.txt"


@dataclass(frozen=True)
class Finding:
    """One line of the examination, and what to do where it is not `ok`."""

    name: str
    value: str
    ok: bool = True
    mend: str = ""


def examine(home: Home) -> list[Finding]:
    """Look at everything; nothing is changed and no network is asked."""
    found = [_python(), *_packages(), _pip(), *_processor(), _gpu(), _memory(), *_home(home), *_servers(home)]
    return [replace(finding, mend="") if finding.ok else finding for finding in found]


def _python() -> Finding:
    wanted = metadata("vocabsem")["Requires-Python"]
    ok = SpecifierSet(wanted).contains(platform.python_version())
    return Finding("python", f"{platform.python_version()} in {sys.prefix}", ok, f"use Python {wanted}")


def _packages() -> Iterator[Finding]:
    """Each package that vocabsem itself asks for, against the range in which it is known to work."""
    for line in requires("vocabsem") or []:
        requirement = Requirement(line)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and requirement.name != "pip":  # it has a line of its own
            yield package(requirement)


def package(requirement: Requirement) -> Finding:
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return Finding(requirement.name, f"missing, {requirement.specifier} is needed", False, UPDATE)
    ok = requirement.specifier.contains(found, prereleases=True)
    return Finding(requirement.name, found, ok, f"{requirement.specifier} is needed: {UPDATE}")


def _pip() -> Finding:
    """Sources that start with `pypi:` are fetched by it."""
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
    said = f"OMP_NUM_THREADS={limit}" if limit else "a batch of prompts on each"
    yield Finding("threads", f"{usable} of {os.cpu_count()}, {said}")


def processor_name() -> str:
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
        mend = "install the build of torch for its driver: make clean, then UV_TORCH_BACKEND=auto make install"
        return Finding("gpu", f"an NVIDIA driver, but torch {torch.__version__} cannot use it", False, mend)
    return Finding("gpu", "none, the processor computes")


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    free, mend = memory.available / GB, f"{LEAST_MEMORY:g} GB are needed for the smallest model: end other programs"
    return Finding("memory", f"{free:.1f} of {memory.total / GB:.1f} GB available", free >= LEAST_MEMORY, mend)


def _home(home: Home) -> Iterator[Finding]:
    there = next(folder for folder in (home.root, *home.root.parents) if folder.exists())
    mend = f"choose another folder with --home or VOCABSEM_HOME, or mend the permissions of {there}"
    try:
        with tempfile.TemporaryFile(dir=there):
            yield Finding("home", str(home.root) + ("" if there == home.root else ", made at the first run"))
    except OSError as error:
        yield Finding("home", f"{home.root}: cannot write to {there}: {error.strerror}", False, mend)
    free = shutil.disk_usage(there).free / GB
    mend = f"{LEAST_DISK:g} GB are needed: remove files, or choose another disk with --home"
    yield Finding("disk", f"{free:.1f} GB free", free >= LEAST_DISK, mend)
    results = "published" if home.catalog.exists() else "none yet: vocabsem run data/experiments/quickstart.yaml"
    yield Finding("warehouse", results)


def _servers(home: Home) -> Iterator[Finding]:
    api = live_api(home)
    yield Finding("servers", f"running, Prefect at {api}" if api else "not running: vocabsem up")
    for name, port in (("prefect port", PREFECT_PORT), ("mlflow port", MLFLOW_PORT)):
        try:
            free = free_port(port)
        except ServerFailed as error:
            yield Finding(name, str(port), False, str(error))
            continue
        yield Finding(name, f"{port} is free" if free == port else f"{port} is in use, {free} would be taken")
