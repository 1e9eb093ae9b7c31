"""Which errors are expected: those that a room raises on purpose, and what a user can do something about.

By the house's convention the former are the classes of modules named ``errors`` (``market.errors``,
``models.bundle.errors``, …). One can only have been raised if its module was imported, so nothing is imported here.
"""

from __future__ import annotations

import errno
import sys

MACHINE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EIO, errno.ENAMETOOLONG}
)
"""What an error of files says when it is not a defect."""
ROOMS = frozenset({"market", "features", "models", "trading", "serving", "pipelines"})


def expected_errors() -> tuple[type[BaseException], ...]:
    """The classes that ``except`` should treat as expected right now.

    Examples
    --------
    >>> import market.errors
    >>> market.errors.MarketError in expected_errors()
    True
    >>> ValueError in expected_errors()
    False
    """
    modules = [module for name, module in list(sys.modules.items()) if _is_errors(name)]
    classes = [found for module in modules for found in vars(module).values() if _is_error(found, module.__name__)]
    return (*classes, ModuleNotFoundError)


def _is_errors(name: str) -> bool:
    return name.endswith(".errors") and name.partition(".")[0] in ROOMS


def _is_error(found: object, module: str) -> bool:
    return isinstance(found, type) and issubclass(found, Exception) and found.__module__ == module


def of_the_machine(error: OSError) -> bool:
    """Whether an error of files is the machine's or its owner's: a full or read-only disk, a place one may not write.

    Examples
    --------
    >>> import errno
    >>> of_the_machine(OSError(errno.ENOSPC, "No space left on device")), of_the_machine(FileNotFoundError(2, "no"))
    (True, False)
    """
    return error.errno in MACHINE


def describe(error: BaseException) -> str:
    """An expected error as one paragraph.

    Raises
    ------
    ModuleNotFoundError
        The error itself, if the missing module is ours: that is a defect, not a smaller installation.
    """
    if isinstance(error, OSError) and of_the_machine(error):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}. Make room, give permission or choose another place, and run it again"
    if not isinstance(error, ModuleNotFoundError):
        return str(error)
    missing = (error.name or "").partition(".")[0]
    if missing in ROOMS:
        raise error
    return (
        f"this command needs {missing}, which is not installed here. The serving environment has no research"
        " libraries: run it where requirements/train.txt is installed (make setup)"
    )
