"""Whether this machine has the GPUs that a configuration asks for: asked where something is about to be trained.

It is no part of reading a configuration, which another machine may do (the head of a cluster, or who compares runs).
"""

from __future__ import annotations

from models.members import MEMBERS
from models.members.device import Device, check_device
from models.members.errors import MemberError
from pipelines.config import RunConfig
from pipelines.errors import ConfigError
from pipelines.members import member_config


def check_devices(config: RunConfig) -> None:
    """Refuse ``device = "cuda"`` where the member's library sees no GPU; no library is imported for anything else.

    Raises
    ------
    ConfigError
        Naming the member's key.
    """
    for name, table in config.members.items():
        asked: Device = getattr(member_config(name, table), "device", "cpu")
        try:
            check_device(asked, MEMBERS.facts(name).library)
        except MemberError as error:
            raise ConfigError(f"members.{name}.{error}") from None
