"""The environment variables of a home: what Prefect, MLflow and the hub's client read when they are imported."""

import os

from warehouse.home import Home


def variables(home: Home) -> dict[str, str]:
    """What `prepare` sets, unless the user did: state under the home, nothing reported to anyone, patient start-up."""
    return {
        "VOCABSEM_HOME": str(home.root),
        "PREFECT_HOME": str(home.prefect),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",  # DO_NOT_TRACK alone does not stop the server's heartbeat
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # 20, the default, is missed on a busy small machine
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",  # or task runs are lost when the server stops
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "200",
        # torch's idle threads spin for some microseconds, then sleep. Spinning on, as they would, slows a shared
        # machine several times; sleeping at once makes every small operation of a model two to four times slower.
        "GOMP_SPINCOUNT": "2000",
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",  # MLflow takes DO_NOT_TRACK=1, which a user may have set, for no answer
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def environment(home: Home) -> dict[str, str]:
    """This process's environment as processes of `home` should have it.

    A variable that the user set is kept. One that `prepare` set before, here or in a parent process, follows the new
    home: it is known by its value, which is what the home in VOCABSEM_HOME gives.
    """
    earlier = variables(Home.find())
    ours = {name for name, value in earlier.items() if os.environ.get(name, value) == value} | {"VOCABSEM_HOME"}
    return dict(os.environ) | {name: value for name, value in variables(home).items() if name in ours}
