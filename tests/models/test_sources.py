"""Fetching weights: against a real server on this machine, which breaks off, lies and forgets on demand."""

import hashlib
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from vizjax.errors import InputError
from vizjax.models.sources import Hub, Package, Url, cache_folder, fetch

CONTENT = hashlib.shake_256(b"weights").digest(1_000_000)
OTHER = hashlib.shake_256(b"other weights").digest(1_000_000)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves one content under every path; its faults are attributes."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag = CONTENT, sha256(CONTENT)
        self.asked: list[tuple[str, str | None]] = []  # (method, Range)
        self.sent: list[int] = []  # bytes of the bodies
        self.break_after: int | None = None
        self.ranges, self.pause, self.longer = True, 0.0, 0
        self.statuses: list[int] = []  # of the next answers

    def url(self, name: str = "net.pth", content: bytes = CONTENT, digits: int = 64) -> Url:
        return Url(f"http://127.0.0.1:{self.server_port}/models/{name}", sha256(content)[:digits])

    def handle_error(self, request, client_address):
        pass  # clients that hang up are part of the tests


class Handler(BaseHTTPRequestHandler):
    """Answers HEAD and GET like a file server, and like the hub."""

    server: Server

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        if self.path.startswith("/api/"):  # the hub's client asks by the way who uses it
            self.send_error(404)
            return
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append((self.command, wanted))
        begin = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and server.ranges else 0
        status = server.statuses.pop(0) if server.statuses else 206 if begin else 200
        if begin >= len(server.content):
            status = 416
        rest = server.content[begin:] if status in (200, 206) else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(rest) + server.longer))
        self.send_header("ETag", f'"{server.etag}"')
        self.send_header("X-Repo-Commit", COMMIT)
        if status == 404:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()
        if body:
            rest = rest[: server.break_after]
            server.sent.append(len(rest))  # before the client has it and looks
            self.wfile.write(rest[:1000])
            time.sleep(server.pause)
            self.wfile.write(rest[1000:])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """A cache of this test's own, the hub's too; no proxy stands between."""
    from huggingface_hub import constants

    monkeypatch.setenv("VIZJAX_CACHE", str(tmp_path / "cache"))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    for name in ("HF_HOME", "HF_HUB_CACHE", "HF_TOKEN_PATH", "HF_XET_CACHE", "AGENT_HARNESSES_PATH"):
        monkeypatch.setattr(constants, name, str(tmp_path / "hub" / name))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return tmp_path / "cache" / "weights"


@pytest.fixture
def hub(server, monkeypatch) -> Server:
    from huggingface_hub import constants

    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + template[template.index("/{repo_id}") :]
    )
    return server


@pytest.fixture
def no_network(monkeypatch):
    def connect(*_: object) -> None:
        raise AssertionError("the network was asked")

    def cut() -> None:
        for name in ("connect", "connect_ex"):
            monkeypatch.setattr(socket.socket, name, connect)
        monkeypatch.setattr(socket, "getaddrinfo", connect)

    return cut


def files(folder: Path) -> list[str]:
    """All that is in a folder, but the locks, which stay."""
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.parent.name != ".locks")


def refused(*sources) -> str:
    with pytest.raises(InputError) as caught:
        fetch(*sources)
    return str(caught.value)


def nobody() -> str:
    """An address at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/net.pth"


# published files


@pytest.mark.parametrize("kind", ["sha1", "git"])
def test_other_hashes_are_checked_too(server, cache, kind):
    head = b"blob %d\0" % len(CONTENT) if kind == "git" else b""
    digest = hashlib.sha1(head + CONTENT).hexdigest()
    source = server.url("net.pth")._replace(digest=f"{kind}:{digest}")
    assert fetch(source).read_bytes() == CONTENT
    assert fetch(source).name == f"net-{digest[:8]}.pth"
    wrong = source._replace(digest=f"{kind}:{digest[::-1]}")
    with pytest.raises(InputError, match=f"the {kind} of .* must be {digest[::-1]}, not {digest}"):
        fetch(wrong)


@pytest.mark.parametrize(("digits", "name"), [(64, f"net-{sha256(CONTENT)[:8]}.pth"), (8, None)])
def test_a_download_is_whole_named_and_then_here(server, cache, no_network, digits, name):
    """Also by the leading digits alone, which torchvision puts into the file's name."""
    name = name or f"net-{sha256(CONTENT)[:8]}.pth"
    source = server.url(name if digits == 8 else "net.pth", digits=digits)
    path = fetch(source)
    assert path == cache / name
    assert path.read_bytes() == CONTENT
    assert files(cache) == [name]
    no_network()
    assert fetch(source) == path
    assert server.asked == [("GET", None)]


def test_it_says_once_what_it_downloads(server, capfd):
    source = server.url()
    fetch(source)
    fetch(source)
    out, err = capfd.readouterr()
    assert out == ""
    assert err == f"downloading {source.address} (1.0 MB)\n"


def test_a_terminal_sees_a_bar(server, capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal
    server.pause = 0.3
    fetch(server.url())
    out, err = capfd.readouterr()
    assert out == ""
    assert "MB" in err.partition("\n")[2]


def test_what_broke_off_is_continued(server, cache):
    server.break_after = 500_000
    told = refused(server.url())
    assert "broke off" in told
    assert "the same command continues" in told
    (part,) = cache.glob("*.part")
    size = part.stat().st_size
    assert 400_000 < size <= 500_000
    assert files(cache) == [part.name]

    server.break_after = None
    assert fetch(server.url()).read_bytes() == CONTENT
    assert server.asked == [("GET", None), ("GET", f"bytes={size}-")]
    assert server.sent == [500_000, len(CONTENT) - size]
    assert files(cache) == [part.name.removesuffix(".part")]


def test_a_server_that_ignores_range_sends_all_of_it(server):
    server.break_after = 500_000
    refused(server.url())
    server.break_after, server.ranges = None, False
    assert fetch(server.url()).read_bytes() == CONTENT
    assert len(server.asked) == 2
    assert server.sent[1] == len(CONTENT)


def test_a_file_that_was_replaced_meanwhile_is_begun_anew(server, cache):
    server.content, server.break_after = OTHER, 500_000
    refused(server.url())
    server.content, server.break_after = CONTENT, None
    path = fetch(server.url())
    assert path.read_bytes() == CONTENT
    assert [wanted is None for _, wanted in server.asked] == [True, False, True]
    assert files(cache) == [path.name]


def test_a_part_that_is_the_whole_is_taken(server, cache):
    """It was stopped just before it got its name."""
    server.break_after = 0
    refused(server.url())
    server.break_after = None
    next(cache.glob("*.part")).write_bytes(CONTENT)
    assert fetch(server.url()).read_bytes() == CONTENT
    assert server.asked[1:] == [("GET", f"bytes={len(CONTENT)}-")]


@pytest.mark.parametrize("longer", [0, -400_000])
def test_another_content_is_never_kept(server, cache, longer):
    """Another file, or a length that is too short, so that nothing seems to break off."""
    server.content, server.longer = (CONTENT if longer else OTHER), longer
    told = refused(server.url())
    assert sha256(CONTENT) in told
    assert sha256(server.content[: len(server.content) + longer]) in told
    assert "is deleted" in told
    assert files(cache) == []


def test_a_wrong_file_in_the_cache_is_replaced(server, cache):
    path = fetch(server.url())
    path.write_bytes(CONTENT[:-1])
    assert fetch(server.url()).read_bytes() == CONTENT
    assert files(cache) == [path.name]


def test_a_missing_file_is_named(server, cache):
    server.statuses = [404]
    told = refused(server.url())
    assert server.url().address in told
    assert "answers 404" in told
    assert "weights=PATH" in told
    assert "\n" not in told
    assert files(cache) == []


@pytest.fixture
def waits(monkeypatch):
    """What is waited between attempts, in seconds; none of it is."""
    seconds = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    return seconds


def test_a_busy_server_is_asked_again_but_not_for_ever(server, waits):
    server.statuses = [500, 503]
    assert fetch(server.url()).read_bytes() == CONTENT
    assert any(waits)
    server.statuses = [503] * 9
    assert "answers 503" in refused(server.url("b.pth", OTHER))
    assert len(server.asked) < 9


def test_without_a_network_it_says_at_once_what_to_do_by_hand(server, cache, waits):
    source = Url(nobody(), sha256(CONTENT)[:8])
    told = refused(source)
    assert not any(waits)
    place = cache / f"net-{sha256(CONTENT)[:8]}.pth"
    assert "cannot be reached, or broke off (ConnectionError), and the file is not in the cache" in told
    assert f"download it to {place}, or give weights=PATH or weights='random'" in told
    assert "\n" not in told
    place.write_bytes(CONTENT)  # what it says
    assert fetch(source) == place


def test_a_cache_that_cannot_be_written_is_named(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VIZJAX_CACHE", str(tmp_path / "file"))
    told = refused(server.url())
    assert f"the cache {tmp_path / 'file' / 'weights'} cannot be written" in told
    assert "set VIZJAX_CACHE to another folder" in told
    assert server.asked == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_named(server, cache):
    cache.mkdir(parents=True)
    (cache / f"net-{sha256(CONTENT)[:8]}.pth.part").symlink_to("/dev/full")
    told = refused(server.url())
    assert f"the cache {cache} cannot be written: No space left on device; free some space" in told
    assert not list(cache.glob("*.pth"))


def test_an_interrupted_download_is_kept(server, cache, monkeypatch):
    """Ctrl-C, when half of it is here."""

    def interrupt(*_: object) -> None:
        if any(part.stat().st_size > 100_000 for part in cache.glob("*.part")):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("rich.progress.Progress.advance", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch(server.url())
    assert fetch(server.url()).read_bytes() == CONTENT
    assert server.asked[1][1]


def test_two_threads_download_once(server):
    server.pause = 0.2
    found: list[Path] = []
    both = [threading.Thread(target=lambda: found.append(fetch(server.url()))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(10)
    assert len(found) == 2
    assert len(set(found)) == 1
    assert server.asked == [("GET", None)]


def test_two_processes_download_once(server, cache, tmp_path):
    source, go = server.url(), tmp_path / "go"
    program = (
        "import pathlib, sys, time\n"
        "from vizjax.models.sources import Url, fetch\n"
        "print('ready', flush=True)\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\n"
        f"print(fetch(Url(*{tuple(source)!r})), flush=True)\n"
    )
    command = [sys.executable, "-c", program]
    pipe = subprocess.PIPE
    server.pause = 1.5
    both = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
    for process in both:
        assert process.stdout.readline() == "ready\n"
    go.touch()
    told = [process.communicate(timeout=20) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    (path,) = {out.strip() for out, _ in told}
    assert Path(path).read_bytes() == CONTENT
    assert server.asked == [("GET", None)]
    assert sum("waiting for another process" in err for _, err in told) == 1
    assert files(cache) == [Path(path).name]


def test_the_cache_is_the_users_unless_the_environment_says_another(monkeypatch, tmp_path):
    monkeypatch.setenv("VIZJAX_CACHE", "~/nets")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "nets"
    monkeypatch.delenv("VIZJAX_CACHE")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    assert cache_folder() == tmp_path / "vizjax"


# the hub

NET = Hub("someone/net")


def test_a_file_of_the_hub_is_downloaded_checked_and_then_here(hub, no_network, capfd):
    path = fetch(NET)
    assert path.read_bytes() == CONTENT
    assert path.name == "model.safetensors"
    assert [method for method, _ in hub.asked].count("GET") == 1
    assert "/someone/net/resolve/main/model.safetensors (1.0 MB)\n" in capfd.readouterr().err
    no_network()
    assert fetch(NET) == path


def test_a_revision_of_the_hub_is_its_own(hub, no_network):
    fetch(NET)
    hub.statuses = [404]
    assert "/resolve/v2/model.safetensors answers 404" in refused(Hub("someone/net", revision="v2"))
    pinned = fetch(Hub("someone/net", revision="v2"))
    no_network()
    assert fetch(Hub("someone/net", revision=COMMIT)) == pinned


def test_the_hubs_content_must_have_its_hash(hub, tmp_path):
    hub.content = OTHER  # as long, so that the hub's own client is content
    told = refused(NET)
    assert sha256(CONTENT) in told
    assert sha256(OTHER) in told
    assert "/someone/net/resolve/main/model.safetensors" in told
    hub.content = CONTENT
    assert fetch(NET).read_bytes() == CONTENT


def test_a_damaged_file_of_the_hub_is_not_returned(hub, no_network):
    path = fetch(NET)
    path.resolve().write_bytes(OTHER)
    assert sha256(OTHER) in refused(NET)
    assert fetch(NET).read_bytes() == CONTENT


def test_small_files_of_the_hub_carry_no_sha256(hub):
    hub.etag = "0123456789012345678901234567890123456789"  # git's hash
    assert fetch(NET).read_bytes() == CONTENT
    assert fetch(NET).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [401, 404])
def test_a_repository_that_is_not_there_is_named(hub, status):
    hub.statuses = [status] * 3
    told = refused(NET)
    assert f"/someone/net/resolve/main/model.safetensors answers {status}" in told
    assert "weights=PATH" in told
    assert "\n" not in told


def test_the_hub_without_a_network_answers_at_once(hub, waits):
    hub.shutdown()
    hub.server_close()
    told = refused(NET)
    assert not any(waits)
    assert "cannot be reached, or broke off (ConnectError), and the file is not in the cache" in told
    assert "run `hf download someone/net model.safetensors` where there is a network" in told


def test_the_hubs_offline_switch_holds(hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "OfflineModeIsEnabled" in refused(NET)
    assert hub.asked == []


def test_a_hub_that_breaks_off_leaves_nothing(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time", SimpleNamespace(sleep=lambda seconds: None))
    hub.break_after = 0
    assert "broke off" in refused(NET)
    assert not [p for p in (tmp_path / "hub").rglob("*") if p.is_file() and p.stat().st_size > 1000]
    hub.break_after = None
    assert fetch(NET).read_bytes() == CONTENT


def test_two_threads_download_once_from_the_hub(hub):
    hub.pause = 0.2
    both = [threading.Thread(target=fetch, args=(NET,)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(10)
    assert [method for method, _ in hub.asked].count("GET") == 1


def test_a_hub_cache_that_cannot_be_written_is_named(hub, tmp_path):
    (tmp_path / "hub").write_text("")
    told = refused(NET)
    assert f"the cache {tmp_path / 'hub' / 'HF_HUB_CACHE'} cannot be written" in told
    assert "set HF_HOME to another folder" in told


# packages


@pytest.fixture
def package(tmp_path, monkeypatch) -> Package:
    folder = tmp_path / "site" / "some_weights"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise AssertionError('it was imported')")
    (folder / "models" / "net.pth").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return Package("some_weights", "models/net.pth", "some-weights")


def test_a_package_is_found_without_being_imported(package, no_network):
    no_network()
    assert fetch(package).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "file"), [("nonesuch_weights", "net.pth"), ("some_weights", "nonesuch.pth")]
)
def test_a_package_that_is_missing_is_installed(package, tmp_path, monkeypatch, name, file):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.pth").write_bytes(b"not this one")
    told = refused(Package(name, file, "some-weights"))
    assert f"{file} of the package {name} must be installed" in told
    assert "pip install some-weights, or give weights=PATH" in told


# several


def test_what_is_here_goes_before_what_is_not(server, package, no_network):
    second = server.url("b.pth")
    path = fetch(second)
    no_network()
    assert fetch(server.url("a.pth"), Hub("someone/net"), second, package) == path
    assert fetch(server.url("a.pth"), package, second).read_bytes() == CONTENT


def test_the_first_that_can_be_downloaded_is(hub, cache):
    hub.statuses = [404]
    path = fetch(Package("nonesuch_weights", "net.pth", "x"), hub.url("a.pth"), hub.url("b.pth"), NET)
    assert path.name.startswith("b-")
    assert len(hub.asked) == 2


def test_when_none_works_each_is_told(server):
    server.statuses = [404]
    told = refused(Package("nonesuch_weights", "net.pth", "some-weights"), server.url(), Url(nobody(), "00"))
    first, *lines = told.splitlines()
    assert first == "the weights must come from one of 3 sources, and none works:"
    assert [line[:4] for line in lines] == ["    "] * 3
    for line, part in zip(
        lines, ("pip install some-weights", "answers 404", "cannot be reached"), strict=True
    ):
        assert part in line


def test_importing_vizjax_imports_nothing_that_downloads():
    program = (
        "import sys, vizjax.models.sources\n"
        "print(sorted({'requests', 'huggingface_hub'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stdout == "[]\n", done.stderr
