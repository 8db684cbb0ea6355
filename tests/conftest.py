"""What several test files share."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import jax
import pytest

AS_USERS = {
    *("nn", "test_activations", "test_dtype", "test_lanes", "test_nn", "test_readme", "test_style"),
    *("test_tiles", "test_trace"),
}
"""Folders and files whose claims are about what is compiled: rounding, memory, time."""


def optimize(wanted: bool) -> None:
    """Here and in processes that tests start: what is compiled otherwise rounds otherwise."""
    jax.config.update("jax_disable_most_optimizations", not wanted)
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = str(not wanted)


def pytest_configure(config: pytest.Config) -> None:
    """Most of the time goes into compiling, so little is optimized, except in heavier tests, which compute.

    What was compiled is kept in pytest's cache: a second run takes a fraction of the first one's time.
    """
    optimize("not slow" not in config.option.markexpr)
    jax.config.update("jax_compilation_cache_dir", str(config.cache.mkdir("jax")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def pytest_sessionstart() -> None:
    """Keeps memory as the command line does; imported here, for plugins watch imports from now on."""
    import vizjax as vz

    vz.keep_memory()


@pytest.fixture(autouse=True, scope="module")
def as_users_compile(request: pytest.FixtureRequest) -> Iterator[None]:
    """Optimizes where it matters, and leaves nothing of it to other tests."""
    places = {request.path.stem, request.path.parent.name}
    if not places & AS_USERS or not jax.config.read("jax_disable_most_optimizations"):
        yield
        return
    jax.clear_caches()
    optimize(True)
    yield
    optimize(False)
    jax.clear_caches()


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
