"""Put into the wheel what belongs to the command line, inside the one package that it installs: vocabsem/_project.

An editable install needs none of it: there the checkout is the installed copy.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

INSIDE = "vocabsem/_project"
SHIPPED = ("flows", "tasks", "warehouse", "data", "prefect.yaml")


class ShipProject(BuildHookInterface[Any]):
    """Hatch's hook for wheels."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files to a wheel that is none of an editable install."""
        if version == "standard":
            build_data["force_include"] |= {name: f"{INSIDE}/{name}" for name in SHIPPED}
