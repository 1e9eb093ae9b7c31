"""The driver of PostgreSQL: that of the locks, where an address names none."""

from __future__ import annotations

PLAIN = "postgresql://"
DRIVER = "psycopg"


def with_driver(address: str) -> str:
    """An SQL address that names its driver; SQLAlchemy's own choice is another one, and which depends on its version.

    Examples
    --------
    >>> with_driver("postgresql://ada@db/ml"), with_driver("sqlite:////data/trials.db")
    ('postgresql+psycopg://ada@db/ml', 'sqlite:////data/trials.db')
    """
    return f"postgresql+{DRIVER}://{address.removeprefix(PLAIN)}" if address.startswith(PLAIN) else address
