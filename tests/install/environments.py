"""Virtual environments with the wheel, and the command in one of them as a user has it."""

import os
import shutil
import signal
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

OURS = ("VOCABSEM_", "PREFECT_", "MLFLOW_", "PYTHON", "PYTEST_", "COV_")
OTHERS = ("flows", "tasks", "warehouse")  # names that another package has too


def build(folder):
    """The wheel of this checkout, built without network."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (wheel,) = Path(folder).glob("*.whl")
    return wheel


def uv():
    """The program of this environment, else of the PATH."""
    own = [Path(folder).parents[2] / "bin" / "uv" for folder in sys.path if folder.endswith("site-packages")]
    program = next((path for path in own if path.is_file()), None) or shutil.which("uv")
    assert program, "uv is pinned in constraints.txt, and scripts/install.sh installs it"
    return str(program)


def closure(names):
    """The distributions by name, with all that they require here; what is not installed is not required here."""
    result, queue = set(), [Requirement(name) for name in names]
    while queue:
        wanted = queue.pop()
        extras = ["", *wanted.extras]
        key = canonicalize_name(wanted.name)
        if (key, *extras) in result:
            continue
        try:
            lines = metadata.requires(key) or []
        except metadata.PackageNotFoundError:
            continue
        result.add((key, *extras))
        inner = map(Requirement, lines)
        queue += [one for one in inner if not one.marker or any(one.marker.evaluate({"extra": e}) for e in extras)]
    return sorted({key for key, *_ in result})


class Environment:
    """A virtual environment, and an empty folder in which its programs run."""

    def __init__(self, folder, python=sys.executable):
        self.folder, self.here = Path(folder) / "venv", Path(folder) / "here"
        self.here.mkdir(parents=True)
        if python == sys.executable:
            venv.create(self.folder, symlinks=True)
        else:
            subprocess.run([python, "-m", "venv", "--without-pip", str(self.folder)], check=True)
        (self.packages,) = self.folder.glob("lib/python3*/site-packages")

    @property
    def python(self):
        return str(self.folder / "bin" / "python")

    def borrow_packages(self):
        """Let it import the packages of this process, without their folders' path files: not this checkout."""
        paths = [path for path in sys.path if path.endswith("site-packages")]
        (self.packages / "borrowed.pth").write_text("".join(f"{path}\n" for path in paths))
        return self

    def link_packages(self, names):
        """Let it import these distributions of this process and what they require, and nothing else."""
        for distribution in map(metadata.distribution, closure(names)):
            for top in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
                there = self.packages / top
                if not there.exists():
                    there.symlink_to(Path(str(distribution.locate_file(top))))
        return self

    def install(self, *requirements, timeout=1500):
        """By the pip of this process; with `--no-index` first, without network."""
        pip = [sys.executable, "-m", "pip", "--python", self.python, "install", "--quiet", *map(str, requirements)]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=timeout, check=False)
        assert done.returncode == 0, done.stderr
        return self

    def install_with_requirements(self, requirement):
        """As scripts/install.sh does: by uv, with a folder of local wheels where there is one, else the CPU's torch."""
        local = os.environ.get("PIP_FIND_LINKS", "")
        torch = {"UV_FIND_LINKS": local} if Path(local).is_dir() else {"UV_TORCH_BACKEND": "cpu"}
        command = [uv(), "pip", "install", "--quiet", "--python", self.python, requirement]
        command += ["--constraint", ROOT / "constraints.txt"]
        done = self.run(*command, timeout=1500, **torch)
        assert done.returncode == 0, done.stderr
        return self

    def start(self, *words):
        """Begin `vocabsem up`, wait until its servers answer, and return its process."""
        command = [self.folder / "bin" / "vocabsem", *words]
        process = subprocess.Popen(
            list(map(str, command)), cwd=self.here, env=self.environment(), stdout=subprocess.PIPE, text=True
        )
        assert any(line.startswith("Ctrl-C stops all of it") for line in process.stdout), "it ended before it answered"
        return process

    def stop(self, process):
        """As Ctrl-C does."""
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 0

    def add_package(self, name, text, entry_points=""):
        """A package of somebody else."""
        (self.packages / name).mkdir()
        (self.packages / name / "__init__.py").write_text(text)
        if entry_points:
            info = self.packages / f"{name}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            (info / "entry_points.txt").write_text(entry_points)

    def environment(self, **variables):
        return {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | variables

    def run(self, *command, timeout=1500, **variables):
        return subprocess.run(
            list(map(str, command)),
            cwd=self.here,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def vocabsem(self, *words, **options):
        return self.run(self.folder / "bin" / "vocabsem", *words, **options)

    def code(self, text, *words, **options):
        """Run Python code; returns what it prints."""
        done = self.run(self.python, "-c", text, *words, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
