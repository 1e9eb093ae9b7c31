"""The live process loads no training library, whatever of serving it imports.

numba looks for SciPy when it is imported, so the bare package appears where it is installed; nothing of it is loaded.
"""

from __future__ import annotations

import subprocess
import sys

FORBIDDEN = (
    "torch",
    "lightgbm",
    "xgboost",
    "sklearn",
    "mlflow",
    "prefect",
    "pandas",
    "scipy.stats",
    "scipy.optimize",
    "scipy.linalg",
    "scipy.special",
    "optuna",
    "onnx",
    "models.labels",
    "models.members",
    "models.dataset",
)
PROGRAM = """
import importlib, pkgutil, sys
import serving
for module in pkgutil.walk_packages(serving.__path__, "serving."):
    importlib.import_module(module.name)
loaded = [name for name in {forbidden!r} if name in sys.modules]
assert "serving.status" in sys.modules
print(",".join(loaded))
"""


def test_a_fresh_interpreter_with_all_of_serving_loads_none_of_the_training_libraries() -> None:
    program = PROGRAM.format(forbidden=FORBIDDEN)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
