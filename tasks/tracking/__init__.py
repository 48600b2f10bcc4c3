"""MLflow: runs, registry, packaged models."""
