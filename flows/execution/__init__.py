"""A plan to tasks."""
