"""Chromium without a display: what a page shows once its scripts have run."""

import re
import shutil
import subprocess

import matplotlib.image
import pytest

PATIENCE = 120


def browser():
    """The browser's command; the test is skipped where there is none."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no browser: apt-get install chromium")
    return found


def _run(url, height, profile, *options):
    command = [
        browser(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}",
        f"--window-size=1600,{height}", "--virtual-time-budget=30000", *options, url,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE)
    return done.stdout.decode("utf-8", errors="replace")


def text_of(url, profile, height=2000):
    """The words of a page, without markup."""
    html = re.sub(r"<(script|style).*?</\1>", " ", _run(url, height, profile, "--dump-dom"), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def picture_of(url, profile, path, height=1200):
    """The page as pixels, shape (height, width, 3 or 4), values from 0 to 1; it stays in ``path`` to be looked at."""
    _run(url, height, profile, f"--screenshot={path}")
    return matplotlib.image.imread(path)
