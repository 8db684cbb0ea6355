"""Where weights come from: published files, the Hugging Face hub, and installed packages."""

import contextlib
import hashlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import unquote, urlsplit

import platformdirs

from vizjax.errors import InputError

_INSTEAD = "or give weights=PATH or weights='random'"


class Url(NamedTuple):
    """A published file."""

    address: str
    digest: str  # of sha256, or its leading digits; "sha1:…" or "git:…" (a blob's name) where that is known


class Hub(NamedTuple):
    """A file on the Hugging Face hub, kept in the hub's own cache, which other tools share."""

    repository: str  # such as "timm/resnet50.tv_in1k"
    file: str = "model.safetensors"
    revision: str | None = None  # a branch, tag or commit


class Package(NamedTuple):
    """A file within an installed Python package."""

    package: str  # what is imported
    file: str
    install: str  # what pip calls it


Source = Url | Hub | Package


def cache_folder() -> Path:
    """The folder in which vizjax keeps what it has downloaded.

    Returns:
        What the environment variable ``VIZJAX_CACHE`` names, else the user's cache folder.

    Example:
        >>> cache_folder().is_absolute()
        True
    """
    folder = os.environ.get("VIZJAX_CACHE") or platformdirs.user_cache_path("vizjax")
    return Path(folder).expanduser().absolute()


def fetch(*sources: Source) -> Path:
    """The path of a weights file: one that is here, else the first that can be downloaded.

    What is here is checked against its hash each time, without asking anything of the network.

    Args:
        *sources: where the same weights are to be had, the best first.

    Returns:
        The path of a whole file.

    Raises:
        InputError: where no source has it; what went wrong with each, and what to do.

    Example:
        >>> fetch(Package("vizjax", "py.typed", install="vizjax")).name
        'py.typed'
    """
    if path := next(filter(None, map(_here, sources)), None):
        return path
    problems = []
    for source in sources:
        try:
            return _download(source)
        except InputError as problem:
            problems.append(problem)
    if len(problems) == 1:
        raise problems[0]
    lines = "".join(f"\n    {problem}" for problem in problems)
    raise InputError(f"the weights must come from one of {len(sources)} sources, and none works:{lines}")


def _here(source: Source) -> Path | None:
    match source:
        case Url():
            path, digest = _place(source), source.digest
        case Hub():
            from huggingface_hub import try_to_load_from_cache

            found = try_to_load_from_cache(source.repository, source.file, revision=source.revision)
            path = Path(found if isinstance(found, str) else "")
            digest = _hash_in_hub(path)
        case Package():
            origin = getattr(importlib.util.find_spec(source.package), "origin", None)  # imports nothing
            path, digest = Path(origin).parent / source.file if origin else Path(), ""
    return path if _fits(path, digest) else None


def _place(source: Url) -> Path:
    name = PurePosixPath(unquote(urlsplit(source.address).path))
    digits = source.digest.rpartition(":")[2][:8]  # they keep apart what several publishers call model.pth
    named = name.name if digits in name.name else f"{name.stem}-{digits}{name.suffix}"
    return cache_folder() / "weights" / named


def _hash_in_hub(path: Path) -> str:
    """The hub's cache links to content by its sha256; "" where not: small files, disks without links."""
    blob = os.path.basename(os.readlink(path)) if path.is_symlink() else ""
    return blob if re.fullmatch("[0-9a-f]{64}", blob) else ""


def _digest(path: Path, kind: str) -> str:
    with open(path, "rb") as file:
        if kind == "git":
            head = hashlib.sha1(b"blob %d\0" % path.stat().st_size)
            return hashlib.file_digest(file, lambda: head).hexdigest()
        return hashlib.file_digest(file, kind or "sha256").hexdigest()


def _matches(path: Path, digest: str) -> bool:
    kind, _, digits = digest.rpartition(":")
    return not digits or _digest(path, kind).startswith(digits)


def _fits(path: Path, digest: str) -> bool:
    readable = os.access(path, os.R_OK) and path.is_file()
    return readable and _matches(path, digest)


def _download(source: Source) -> Path:
    match source:
        case Url():
            return _download_url(source)
        case Hub():
            return _download_hub(source)
        case Package():
            missing = f"{source.file} of the package {source.package} must be installed, and is not"
            raise InputError(f"{missing}: pip install {source.install}, {_INSTEAD}")


def _download_url(source: Url) -> Path:
    address, path = source.address, _place(source)
    part = path.with_name(f"{path.name}.part")
    by_hand = f"the same command continues; or download it to {path}"
    with _explained(address, by_hand, str(path.parent), "VIZJAX_CACHE"), _alone(path):
        if _fits(path, source.digest):  # another process was faster
            return path
        resumed = part.exists()
        _transfer(address, part)
        if resumed and not _fits(part, source.digest):  # it began as a file that has been replaced since
            part.unlink()
            _transfer(address, part)
        _verify(part, source.digest, address)
        os.replace(part, path)
    return path


def _download_hub(source: Hub) -> Path:
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url

    address = hf_hub_url(source.repository, source.file, revision=source.revision)
    by_hand = f"run `hf download {source.repository} {source.file}` where there is a network"
    with _explained(address, by_hand, constants.HF_HUB_CACHE, "HF_HOME"):
        # fails at once where there is no network; the download itself would try for half a minute
        _announce(address, get_hf_file_metadata(address).size)
        path = Path(hf_hub_download(source.repository, source.file, revision=source.revision))
        _verify(path.resolve(), _hash_in_hub(path), address)  # the hub's client compares the size alone
    return path


def _alone(path: Path) -> contextlib.AbstractContextManager[object]:
    """While no other process downloads the same file."""
    from filelock import FileLock, Timeout

    lock = FileLock(path.parent / ".locks" / path.name)  # it stays: removing a lock file lets two in
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    try:
        return lock.acquire(timeout=1)
    except Timeout:
        print(f"waiting for another process, which downloads {path}", file=sys.stderr, flush=True)
        return lock.acquire()


def _transfer(address: str, part: Path) -> None:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    begin = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begin}-"} if begin else {})
    tries = Retry(3, connect=0, status_forcelist=range(500, 505), raise_on_status=False, backoff_factor=0.2)
    tries.respect_retry_after_header = False  # it may say hours
    session = requests.Session()
    session.mount(address, HTTPAdapter(max_retries=tries))
    with session, session.get(address, headers=headers, stream=True, timeout=30) as answer:
        if begin and answer.status_code == 416:
            return  # all of it is here
        answer.raise_for_status()
        continued = answer.status_code == 206  # a server may send the whole file whatever it was asked
        with open(part, "ab" if continued else "wb") as file:
            _copy(answer, file, begin if continued else 0)


def _copy(answer: Any, file: BinaryIO, begin: int) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    length = answer.headers.get("Content-Length")
    total = begin + int(length) if length else None
    _announce(answer.url, total)
    columns, console = (BarColumn(), DownloadColumn(), TimeRemainingColumn()), Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task("", total=total, completed=begin)
        for piece in answer.iter_content(1 << 16):
            progress.advance(bar, file.write(piece))


def _announce(address: str, size: int | None) -> None:
    known = f"{size / 1e6:.1f} MB" if size else "size unknown"
    print(f"downloading {address} ({known})", file=sys.stderr, flush=True)


def _verify(path: Path, digest: str, address: str) -> None:
    if not _matches(path, digest):
        kind, _, digits = digest.rpartition(":")
        rule = f"the {kind or 'sha256'} of {address} must be {digits}, not {_digest(path, kind)}"
        path.unlink()
        raise InputError(f"{rule}; what came is deleted: try again later, {_INSTEAD}")


@contextlib.contextmanager
def _explained(address: str, by_hand: str, folder: str, variable: str) -> Iterator[None]:
    """Answers what requests, the hub's client and the disk raise."""
    from huggingface_hub.errors import HTTPError
    from requests import RequestException

    try:
        yield
    except (RequestException, HTTPError, OSError) as error:
        answer, errno = getattr(error, "response", None), getattr(error, "errno", None)
        if answer is not None:
            told = f"{address} answers {answer.status_code}: download the file elsewhere, {_INSTEAD}"
        elif errno:
            told = f"the cache {folder} cannot be written: {os.strerror(errno)}; "
            told += f"free some space, or set {variable} to another folder"
        else:
            told = f"{address} cannot be reached, or broke off ({type(error).__name__}), and the file is "
            told += f"not in the cache: {by_hand}, {_INSTEAD}"
        raise InputError(told) from error
