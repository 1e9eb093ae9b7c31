"""How torch multiplies in float32: exactly, or rounded first to TF32 or bfloat16, by settings of the whole process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

T = TypeVar("T")
FLOAT32: dict[str, Any] = {
    "products on a GPU": torch.backends.cuda.matmul,
    "convolutions": torch.backends.cudnn.conv,  # type: ignore[attr-defined]
    "recurrent layers": torch.backends.cudnn.rnn,
    "products on a processor": torch.backends.mkldnn.matmul,  # type: ignore[attr-defined]
    "convolutions on a processor": torch.backends.mkldnn.conv,  # type: ignore[attr-defined]
    "recurrent layers on a processor": torch.backends.mkldnn.rnn,  # type: ignore[attr-defined]
}
"""Where torch computes in float32, and may be allowed to round what it multiplies: by default cuDNN is, to TF32, whose
mantissas have 10 bits of the 23."""


@dataclass(frozen=True, slots=True)
class Precision:
    """How torch multiplies in float32: by its two older settings, and by place (`FLOAT32`).

    The older ones, of products and of cuDNN, are None where torch was told by place alone: it then refuses to say.
    """

    products: str | None
    cudnn: bool | None
    by_place: Mapping[str, str]

    @classmethod
    def now(cls) -> Precision:
        """As it is."""
        by_place = {name: str(place.fp32_precision) for name, place in FLOAT32.items()}
        products, cudnn = _asked(torch.get_float32_matmul_precision), _asked(lambda: torch.backends.cudnn.allow_tf32)
        return cls(products, cudnn, by_place)

    def exact(self) -> Precision:
        """The same settings, each without any rounding."""
        return Precision(
            self.products and "highest", None if self.cudnn is None else False, dict.fromkeys(FLOAT32, "ieee")
        )

    def apply(self) -> None:
        """Say it both ways: torch refuses to work, or to say, where they contradict each other."""
        if self.products is not None:
            torch.set_float32_matmul_precision(self.products)
        if self.cudnn is not None:
            torch.backends.cudnn.allow_tf32 = self.cudnn
        for name, one in self.by_place.items():
            FLOAT32[name].fp32_precision = one


def _asked(setting: Callable[[], T]) -> T | None:
    try:
        return setting()
    except RuntimeError:
        return None
