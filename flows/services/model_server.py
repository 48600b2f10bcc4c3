"""`vocabsem serve`: MLflow's scoring server for one registered model, on loopback, while this process lives."""

import json
import shlex
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import typer

from flows.execution.activity import line
from flows.services.process import HOST, Server, free_port, running
from tasks.tracking.registered import RegisteredClassifier, find_classifier
from tasks.tracking.scoring_app import RequestLimits
from vocabsem.errors import BadInput, ComputationFailed
from vocabsem.runtime.devices import check_device
from warehouse.errors import WarehouseError
from warehouse.home import Home

PORT = 5080  # where to look first for a free one
EXAMPLE = "a gorgeous, witty movie"


def serve(home: Home, model: str, port: int | None, limits: RequestLimits, device: str = "auto") -> None:
    """Load the model in a server, print a request, and wait. Ctrl-C or the end of this process stops it.

    The version is settled at the start: an alias that moves later changes nothing here.
    device: of the language model, as cards have it.
    Raises BadInput for an unknown model, a device that is not there or that the model's own code does not take, and a
    port in use, ServerFailed or ComputationFailed if the server does not start or ends by itself.
    """
    registered = find_classifier(home, model)
    check_device(device)
    if device != "auto" and not registered.takes_device:
        raise BadInput(
            f"device {device!r}: {registered.name}/{registered.version} was registered by a version of vocabsem whose"
            " code, which serve runs, chooses the device itself: run its experiment again, or leave --device out"
        )
    server = scoring_server(home, registered, _checked(port), limits, device)
    server.log.unlink(missing_ok=True)
    typer.echo(f"loading {registered.name}/{registered.version} …")
    with running(server):
        try:
            server.wait_until_healthy(threading.Event())
            line.stop()
            typer.echo(
                f"{registered.name}/{registered.version} answers at {server.address}/invocations; Ctrl-C stops it\n"
            )
            typer.echo(_curl(home, server.address, registered))
            while server.alive:
                time.sleep(0.5)
        except KeyboardInterrupt:
            typer.echo("stopping …")
            return
    raise ComputationFailed(f"{server.name} ended by itself; its output is in {server.log}")


def scoring_server(
    home: Home, model: RegisteredClassifier, port: int, limits: RequestLimits, device: str = "auto"
) -> Server:
    settings = {"MLFLOW_TRACKING_URI": home.tracking_uri, "MLFLOW_REGISTRY_URI": home.tracking_uri}
    command = ["flows.services.apps", "scoring", str(port), str(model.folder), json.dumps(asdict(limits)), device]
    return Server("the scoring server", home, port, "/ping", command, settings, f"serve-{port}.log")


def _checked(port: int | None) -> int:
    if port is None:
        return free_port(PORT)
    if (free := free_port(port)) != port:
        raise BadInput(f"port {port} of {HOST} is in use: stop what listens there, or take --port {free}")
    return port


def _curl(home: Home, address: str, model: RegisteredClassifier) -> str:
    """Return a request that can be pasted into a shell, with a text of the data set where the catalog has one."""
    from warehouse.catalog import reads

    fields = model.config["fields"]
    example = None
    with suppress(WarehouseError):
        example = reads.short_example(home, model.config["dataset"])
    if not example or set(example) != set(fields):
        example = dict.fromkeys(fields, EXAMPLE)
    body: dict[str, Any] = {"inputs": [*example.values()]} if len(fields) == 1 else {"dataframe_records": [example]}
    data = shlex.quote(json.dumps(body, ensure_ascii=False))
    return f"curl {address}/invocations -H 'content-type: application/json' -d {data}"
