"""Learners behind one protocol; a new one is one file and one line in ``MEMBERS``.

Nothing is imported until a member is asked for, and its library (torch, lightgbm, …) only when it fits.
"""

from models.members.registry import Registry

MEMBERS = Registry(
    {
        "linear": "models.members.linear:LinearMember",
        "lightgbm": "models.members.lightgbm:LightgbmMember",
        "xgboost": "models.members.xgboost:XgboostMember",
        "lstm": "models.members.lstm:LstmMember",
        "tcn": "models.members.tcn:TcnMember",
    }
)

__all__ = ["MEMBERS"]
