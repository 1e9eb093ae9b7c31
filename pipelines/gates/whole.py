"""Gates of every alias: the model is whole, and computes on this machine what it computed when it was made."""

from __future__ import annotations

from models.bundle.bundle import Bundle
from models.bundle.errors import BundleError
from models.bundle.golden import self_test
from models.bundle.store import Verdict


def certificate_gate(bundle: Bundle) -> Verdict:
    """The exported graph agrees with the libraries that trained it."""
    found, needed = bundle.manifest.certificate, "a certificate that passed"
    if found.get("passed") is True:
        return Verdict("certificate", True, "the graph agrees with the native members", needed)
    return Verdict("certificate", False, "; ".join(map(str, found.get("reasons", ()))) or "there is none", needed)


def golden_gate(bundle: Bundle) -> Verdict:
    """The golden rows come out the same on this machine."""
    needed = "no byte different"
    try:
        found = self_test(bundle)
    except BundleError as error:
        return Verdict("golden rows", False, str(error), needed)
    return Verdict("golden rows", found.exact, str(found), needed)
