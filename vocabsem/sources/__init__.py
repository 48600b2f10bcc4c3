"""Sources of files: the hub, wheels of a package registry, this machine."""
