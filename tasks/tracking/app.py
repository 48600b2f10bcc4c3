"""MLflow's server for a home, as an application; it checks neither who asks nor where from."""

import os
from typing import Any

from warehouse.home import Home

ARTIFACTS = "mlflow-artifacts:/"  # through the server


def tracking_app(home: Home) -> Any:
    """Return the ASGI application, its database brought up to date. It is for a process of its own."""
    from mlflow.server import constants, handlers
    from mlflow.server.fastapi_app import app

    os.environ |= {
        constants.BACKEND_STORE_URI_ENV_VAR: home.tracking_uri,
        constants.REGISTRY_STORE_URI_ENV_VAR: home.tracking_uri,
        constants.ARTIFACT_ROOT_ENV_VAR: ARTIFACTS,
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
        constants.ARTIFACTS_DESTINATION_ENV_VAR: str(home.artifacts),
    }
    handlers.initialize_backend_stores(home.tracking_uri, home.tracking_uri, ARTIFACTS)
    return app
