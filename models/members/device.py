"""Where a member is trained: on the processor or on an NVIDIA GPU. Fitted members always predict on the processor.

The processor is the default: its bits are those that locks, config, data and machine class promise. A GPU adds in
another order, so a member trained there has another content hash, and ``auto`` is for where that does not matter.
LightGBM and the linear model stay on the processor: LightGBM's wheel has no CUDA.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from models.members.errors import MemberError

Device = Literal["cpu", "cuda", "auto"]


def training_device(asked: Device, usable: Callable[[], bool], library: str) -> Literal["cpu", "cuda"]:
    """The device to train on; a processor needs no asking, so ``cpu`` never calls ``usable``.

    Parameters
    ----------
    asked
        ``auto`` is ``cuda`` where the library can use it, else ``cpu``.
    usable
        Whether the library sees a GPU that it can use.
    library
        Its name, in the error message.

    Raises
    ------
    MemberError
        If ``cuda`` was asked for and cannot be used.

    Examples
    --------
    >>> training_device("auto", lambda: False, "torch"), training_device("auto", lambda: True, "torch")
    ('cpu', 'cuda')
    """
    if asked == "cpu":
        return "cpu"
    if usable():
        return "cuda"
    if asked == "auto":
        return "cpu"
    raise MemberError(
        f'device is "cuda", but {library} sees no NVIDIA GPU here: install the CUDA build (make setup LOCK=train-cuda) '
        'on a machine whose nvidia-smi lists one, or set device to "cpu" or "auto"'
    )


def torch_sees_cuda() -> bool:
    """Whether torch is a CUDA build and finds a GPU."""
    import torch

    return torch.cuda.is_available()


def xgboost_sees_cuda() -> bool:
    """Whether XGBoost is a CUDA build and there is a GPU; asked to, it would fall back to the processor silently."""
    import xgboost

    return bool(xgboost.build_info()["USE_CUDA"]) and torch_sees_cuda()


SEES: dict[str, Callable[[], bool]] = {"torch": torch_sees_cuda, "xgboost": xgboost_sees_cuda}


def check_device(asked: Device, library: str) -> None:
    """Refuse a GPU that a library does not see, as its member's fit would; errors as `training_device`.

    A library that is not in `SEES` is not asked: its member's fit decides.
    """
    if asked == "cuda" and library in SEES:
        training_device(asked, SEES[library], library)
