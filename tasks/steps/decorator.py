"""A Prefect task of ours. The manifest says what is done, so Prefect caches and stores nothing."""

from functools import partial

from prefect import task
from prefect.cache_policies import NO_CACHE

step_task = partial(task, cache_policy=NO_CACHE, persist_result=False)
