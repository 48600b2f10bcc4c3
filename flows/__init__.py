"""What runs: flows made of tasks, what they are asked to do, and the command line.

Prefect and MLflow read the environment once, when they are imported, and a worker imports `flows.pipeline` without
passing through the command line. So the environment is prepared here, before any module of this package imports them.
"""

from flows.services.environment import prepare

prepare()
