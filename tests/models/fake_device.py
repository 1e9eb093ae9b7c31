"""A device that is not there: tensors that say they are on it, compute on the CPU, and do not mix with the CPU's.

Torch calls it ``meta``, the one device type that every build knows and none computes on. Inside ``FakeDevice()``
whatever is moved to it becomes a wrapper around a CPU tensor; an operation on tensors of both devices is refused, as
a GPU would refuse it.
"""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

NAME = "meta"


class Elsewhere(torch.Tensor):
    """A tensor on the fake device."""

    @staticmethod
    def __new__(cls, inner):
        found = torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, inner.stride(), inner.storage_offset(), dtype=inner.dtype, device=NAME
        )
        found.inner = inner
        return found

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return compute(function, args, kwargs or {})


class FakeDevice(TorchDispatchMode):
    """While it is entered, tensors can be made on the fake device and moved there; it counts its operations."""

    def __init__(self):
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        found = compute(function, args, kwargs)
        self.operations += any(isinstance(one, Elsewhere) for one in tree_flatten((args, kwargs))[0])
        return found


def compute(function, args, kwargs):
    tensors = [one for one in tree_flatten((args, kwargs))[0] if isinstance(one, torch.Tensor)]
    elsewhere = [one for one in tensors if isinstance(one, Elsewhere)]
    target = kwargs.get("device")
    moved = function is torch.ops.aten.copy_.default or target is not None
    if elsewhere and not moved and any(not isinstance(one, Elsewhere) and one.ndim > 0 for one in tensors):
        raise RuntimeError(f"{function}: tensors on the CPU and on the fake device")
    there = bool(elsewhere) if target is None else torch.device(target).type == NAME
    if target is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    plain_args, plain = tree_map(lambda one: one.inner if isinstance(one, Elsewhere) else one, (args, kwargs))
    found = function(*plain_args, **plain)
    if function._schema.is_mutable and args and isinstance(args[0], torch.Tensor):
        return args[0]
    return tree_map(lambda one: Elsewhere(one) if there and isinstance(one, torch.Tensor) else one, found)
