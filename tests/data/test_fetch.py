"""Downloads from a loopback server that answers as bad servers do."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import subprocess
import sys
import threading

import pytest

from eqprop.data.idx import Source, fetch
from eqprop.errors import DataError

CONTENT = b"the only right content" * 500
NAME = "train-images-idx3-ubyte"


class Handler(http.server.BaseHTTPRequestHandler):
    """The first part of the path says how to answer."""

    def do_GET(self):
        kind = self.path.split("/")[1]
        body = gzip.compress(CONTENT)
        if kind in ("403", "503"):
            self.send_error(int(kind))
            return
        if kind == "html":
            body = b"<html>please sign in</html>"
        if kind == "nothing":
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if kind == "half":
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_address[1]}"
    listening.shutdown()
    thread.join()
    listening.server_close()


def source(server: str, *kinds: str) -> Source:
    digest = hashlib.sha256(CONTENT).hexdigest()
    return Source("mnist", {NAME: digest}, tuple(f"{server}/{kind}/" for kind in kinds))


BAD = ("403", "503", "html", "half", "nothing")


def test_bad_mirrors_are_passed_over(server, tmp_path):
    folder = fetch(source(server, *BAD, "good"), tmp_path)
    assert [path.name for path in folder.iterdir()] == [f"{NAME}.gz"]
    assert gzip.decompress((folder / f"{NAME}.gz").read_bytes()) == CONTENT


def test_when_every_mirror_is_bad_each_answer_is_told(server, tmp_path):
    with pytest.raises(DataError) as caught:
        fetch(source(server, *BAD), tmp_path)
    message = str(caught.value)
    assert all(f"/{kind}/" in message for kind in BAD)
    assert "403" in message and "503" in message and "--data-dir" in message
    assert not list((tmp_path / "mnist").iterdir())


def test_eight_processes_fetching_at_once_end_with_one_valid_file(server, tmp_path):
    wanted = source(server, "half", "good")
    code = (
        "import sys; from pathlib import Path; from eqprop.data.idx import Source, fetch;"
        f"fetch({wanted!r}, Path(sys.argv[1]))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE)
        for _ in range(8)
    ]
    for process in processes:
        error = process.communicate(timeout=120)[1]
        assert process.returncode == 0, error.decode()
    assert [path.name for path in (tmp_path / "mnist").iterdir()] == [f"{NAME}.gz"]
    assert gzip.decompress((tmp_path / "mnist" / f"{NAME}.gz").read_bytes()) == CONTENT
