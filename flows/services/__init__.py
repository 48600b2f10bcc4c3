"""Servers, deployments and the environment of processes."""
