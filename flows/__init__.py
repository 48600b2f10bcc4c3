"""Prefect flows, what they plan and execute, the servers around them, and the command line."""
