"""The environment of a process that runs flows: what Prefect, MLflow and the hub's client read when they are imported.

Nothing slow is imported here, so that the command line can set it first.
"""

import os
import warnings
from pathlib import Path

from vocabsem.installation import ROOT
from vocabsem.runtime.malloc import keep_freed_memory
from vocabsem.runtime.third_party import verbose
from warehouse.home import Home

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def variables(home: Home) -> dict[str, str]:
    """Return the variables that `set_environment` sets, unless the user did: all state under the home, no telemetry."""
    return {
        "VOCABSEM_HOME": str(home),
        "PREFECT_HOME": str(home.prefect),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",  # DO_NOT_TRACK alone does not stop the server's heartbeat
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # 20, the default, is missed on a busy small machine
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",  # or task runs are lost when the server stops
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "200",
        # Prefect's database: flow runs for a month, and events, four fifths of it, for a day.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(30 * 24 * 60 * 60),
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P1D",
        # torch's idle threads spin for some microseconds, then sleep. Spinning on, as they would, slows a shared
        # machine several times; sleeping at once makes every small operation of a model two to four times slower.
        "GOMP_SPINCOUNT": "2000",
        "DO_NOT_TRACK": "true",
        "MLFLOW_TRACKING_URI": home.tracking_uri,  # or MLflow makes a mlflow.db in the working directory
        "MLFLOW_DISABLE_TELEMETRY": "true",  # MLflow ignores DO_NOT_TRACK=1, which a user may have set
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TQDM_DISABLE": "" if verbose() else "1",  # bars of transformers, datasets and MLflow among ours
        "PYTHONSAFEPATH": "1",  # no process takes its modules from the working directory, which is the user's
    }


def child_environment(home: Home) -> dict[str, str]:
    """Return this process's environment, changed to that of `home`.

    A variable that the user set is kept. One that `set_environment` set, here or in a parent process, follows the new
    home: its value is the one that the home in VOCABSEM_HOME gives.
    """
    earlier = variables(Home.find())
    ours = {name for name, value in earlier.items() if os.environ.get(name, value) == value} | {"VOCABSEM_HOME"}
    changed = {name: value for name, value in variables(home).items() if name in ours}
    return dict(os.environ) | changed | _proxies() | _folder(home) | {"PYTHONPATH": _module_path()}


def _module_path() -> str:
    """Return PYTHONPATH with the root first, so that `flows`, `tasks`, `warehouse` are those of this installation."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join(dict.fromkeys([str(ROOT), *filter(None, given)]))


def _folder(home: Home) -> dict[str, str]:
    """Return the home as HOME of a user without one, as in many containers: Prefect and MLflow require it."""
    try:
        Path.home()
    except RuntimeError:
        return {"HOME": str(home.root)}
    return {}


def _proxies() -> dict[str, str]:
    """Return the variables that keep connections to this machine off the user's proxy, where there is one."""
    names = ("NO_PROXY", "no_proxy")
    if not any(name.lower().endswith("_proxy") and name not in names for name in os.environ):
        return {}
    given = [each.strip() for name in names for each in os.environ.get(name, "").split(",")]
    return dict.fromkeys(names, ",".join(dict.fromkeys([*filter(None, given), *LOOPBACK])))


def set_environment(home: str | Path | None = None) -> Home:
    """Make the environment of this process that of `home`, and return the home.

    Call it before Prefect, MLflow or torch is imported, and before threads are started.
    """
    chosen = Home.find(home)
    os.environ.update(child_environment(chosen))
    # Imported for a home that is not there yet, it warns; its server makes the folder.
    warnings.filterwarnings("ignore", "Failed to create the Prefect home directory")
    keep_freed_memory()
    return chosen
