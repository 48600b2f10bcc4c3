"""Named points at which a command gets a signal, by default SIGKILL: before or after the n-th call of a function."""

import os
import signal
from importlib import import_module


def die(point, number=1, by=signal.SIGKILL, **fields):
    """Arm a point of this process: `before module:function` or `after module:Class.method`; of a method, only calls on
    objects with these `fields` count. `by` is the signal."""
    when, where = point.split()
    module, _, path = where.partition(":")
    *owners, name = path.split(".")
    owner = import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    real, calls = getattr(owner, name), []

    def armed(*arguments, **options):
        counts = all(getattr(arguments[0], field) == value for field, value in fields.items())
        if counts:
            calls.append(1)
        last = counts and len(calls) == number
        if last and when == "before":
            os.kill(os.getpid(), by)
        result = real(*arguments, **options)
        if last:
            os.kill(os.getpid(), by)
        return result

    setattr(owner, name, armed)


PARTITION = "warehouse.lake.partition:Partition"
COMPUTING = {
    f"{when} {kind}": (f"{when} {PARTITION}.publish", {"kind": kind})
    for kind in ("examples", "anchors", "states", "predictions", "metrics", "comparisons")
    for when in ("before", "after")
} | {
    "after a shard": (f"after {PARTITION}.write_table", {"kind": "states", "number": 2}),
    "before a calibrator": (f"before {PARTITION}.write_bytes", {}),
    "between manifest and sidecars": ("after warehouse.lake.store:Folder.publish", {"number": 3}),
}
PREDICTING = {
    "after a part": (f"after {PARTITION}.write_table", {"kind": "scores"}),
    "before the parts are joined": ("before tasks.batch_predict:_assemble", {}),
    "before the output's record": ("before tasks.batch_predict:canonical", {}),
    "before the parts are removed": ("after tasks.batch_predict:_assemble", {}),
}
RECORDING = {
    "before MLflow's run": ("before flows.pipeline:active_run", {}),
    "in MLflow's new run": ("after tasks.tracking.active_run:experiment_id", {}),
    "after MLflow's run": ("after tasks.tracking.active_run:open_run", {}),
    "before the record": (f"before {PARTITION}.publish", {"kind": "runs"}),
    "after the record": (f"after {PARTITION}.publish", {"kind": "runs"}),
    "in the catalog": ("before warehouse.catalog.catalog:update_from", {}),
    "after the catalog": ("after tasks.catalog:update", {}),
    "after a child": ("after tasks.tracking.runs:_create_child", {"number": 2}),
    "in a child": ("before tasks.tracking.runs:_input", {}),
    "after the results": ("after tasks.log_run:log_results", {}),
    "after the model's files": ("after tasks.tracking.registry:log_classifier", {}),
    "after the version": ("after tasks.tracking.registry:_create_version", {}),
    "before the alias": ("before mlflow:MlflowClient.set_registered_model_alias", {}),
    "after the alias": ("after mlflow:MlflowClient.set_registered_model_alias", {}),
    "after the registry": ("after tasks.log_run:register", {}),
    "after the report": ("after flows.pipeline:report", {}),
    "after the page": ("after flows.pipeline:log_page", {}),
    "after the event": ("after flows.pipeline:emit_champion_events", {}),
    "after MLflow's end": ("after mlflow:MlflowClient.set_terminated", {"number": 3}),
    "before the artifacts": ("before flows.pipeline:create_artifacts", {}),
    "after the flow": ("after flows.pipeline:show_checks", {}),
}
