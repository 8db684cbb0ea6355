"""What several test files share."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, for tests that open a page; skips where there is none, unless ``CI`` is set."""
    wanted = "CI" in os.environ
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        if wanted:
            raise
        pytest.skip("playwright is not installed: the page is not tested")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    switches = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
    switches += ["--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as driver:
        try:
            started = driver.chromium.launch(executable_path=found, args=switches)
        except Error:
            if wanted or found:
                raise
            pytest.skip("there is no chromium here: the page is not tested")
        yield started
        started.close()
