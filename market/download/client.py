"""HTTP that expects to be interrupted: paced, tried again after what may pass, told apart from what will not.

What may pass: no or a broken connection, a timeout, 418 and 429 (which hold back every thread for as long as the server
asks), and 5xx. Waits double from one to the next. An attempt that got the caller further does not count as a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar
from urllib.request import getproxies

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError

from market.download.pace import Pace
from market.download.patience import PassingError, Patience
from market.errors import DownloadError

T = TypeVar("T")

TOO_MANY: Final = frozenset({418, 429})
NO_RETRIES: Final = urllib3.Retry(
    total=None, connect=0, read=0, status=0, other=0, redirect=5, raise_on_redirect=True, raise_on_status=False
)


class Client:
    """Requests below one base URL.

    Parameters
    ----------
    base_url
        Such as ``https://data.binance.vision``; the environment's proxies are used.
    rate
        Requests a second, over all threads.
    timeout
        Seconds to connect, and seconds of silence while reading.
    attempts, backoff, longest_wait
        As `market.download.patience.Patience`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        rate: float = 10.0,
        timeout: float = 30.0,
        attempts: int = 6,
        backoff: float = 1.0,
        longest_wait: float = 300.0,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.patience = Patience(attempts, backoff, longest_wait)
        self._pace = Pace(rate, sleep=self.patience.sleep)
        self._pool = _pool(self.base_url, urllib3.Timeout(connect=timeout, read=timeout))

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"{self.base_url}/{path}"

    def patiently(self, path: str, attempt: Callable[[], T]) -> T:
        """What ``attempt`` gives, tried as often as `market.download.patience.Patience` says."""
        return self.patience(self.url(path), attempt)

    @contextmanager
    def open(self, path: str, offset: int = 0) -> Iterator[urllib3.BaseHTTPResponse]:
        """One GET, from ``offset`` on; the response has status 200, 206, 404 or 416 and its body is not read yet.

        Raises
        ------
        PassingError
            If it may work later, also while the body is read inside the block.
        DownloadError
            If it will not: another status, no such host name, a certificate that does not verify.
        """
        self._pace.wait()
        headers = {"Accept-Encoding": "identity", "User-Agent": "bot4"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        response: urllib3.BaseHTTPResponse | None = None
        try:
            response = self._pool.request("GET", self.url(path), headers=headers, preload_content=False)
            self._judge(path, response)
            yield response
        except HTTPError as error:
            reason = getattr(error, "reason", None) or error
            if isinstance(reason, LocationValueError) or "CERTIFICATE_VERIFY_FAILED" in str(reason):
                raise DownloadError(f"{self.url(path)}: {reason}") from error
            raise PassingError(f"{type(reason).__name__}: {reason}") from error
        finally:
            if response is not None:
                # A body that was not read to its end would be read as the next response.
                response.close()
                response.release_conn()

    def _judge(self, path: str, response: urllib3.BaseHTTPResponse) -> None:
        status = response.status
        if status in (200, 206, 404, 416):
            return
        if status in TOO_MANY or status >= 500:
            wait = _retry_after(response.headers.get("Retry-After"))
            if status in TOO_MANY:
                self._pace.pause(min(max(wait, self.patience.backoff), self.patience.longest_wait))
            raise PassingError(f"status {status}", wait)
        raise DownloadError(f"{self.url(path)}: the server answers with status {status}; check the base URL")


def _pool(base_url: str, timeout: urllib3.Timeout) -> urllib3.PoolManager:
    proxy = getproxies().get(base_url.partition(":")[0]) if not _is_local(base_url) else None
    if proxy is None:
        return urllib3.PoolManager(maxsize=16, retries=NO_RETRIES, timeout=timeout)
    return urllib3.ProxyManager(proxy, maxsize=16, retries=NO_RETRIES, timeout=timeout)


def _is_local(base_url: str) -> bool:
    return base_url.partition("://")[2].startswith(("127.", "localhost", "[::1]"))


def _retry_after(text: str | None) -> float:
    """The header's seconds or date as seconds from now; 0 if there is none."""
    if text is None:
        return 0.0
    if text.strip().isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
