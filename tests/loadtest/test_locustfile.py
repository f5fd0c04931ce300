"""The load test itself, against a small server that answers as it is told."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deployments.paths import ROOT
from loadtest import prompts


class Answers(BaseHTTPRequestHandler):
    """Blocks harmful prompts, and answers others with the server's `status`."""

    def do_GET(self) -> None:
        self._answer(200)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        blocked = body.get("prompt") in prompts.HARMFUL
        self._answer(400 if blocked else self.server.status)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        if status == 503:
            self.send_header("retry-after", "1")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        running.status = 200
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def run(server: ThreadingHTTPServer, report) -> tuple[int, dict]:
    command = [
        sys.executable, "-m", "locust", "--locustfile", "loadtest/locustfile.py", "--headless",
        "--host", f"http://127.0.0.1:{server.server_port}", "--users", "10", "--spawn-rate", "10",
        "--run-time", "12s", "--html", str(report), "--only-summary",
    ]  # fmt: skip
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    (line,) = [line for line in ended.stdout.splitlines() if line.startswith("{")]
    return ended.returncode, json.loads(line)


@pytest.mark.slow
def test_healthy_service_passes_with_a_report(server, tmp_path):
    code, counts = run(server, tmp_path / "report.html")
    assert code == 0
    assert counts["benign_answered"] == 1.0
    assert counts["statuses"]["harmful 400"] > 0
    assert "<html" in (tmp_path / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("status", "errors"), [(500, True), (503, False)])
def test_service_that_errs_or_turns_benign_requests_away_fails(server, tmp_path, status, errors):
    server.status = status
    code, counts = run(server, tmp_path / "report.html")
    assert code == 1
    assert (counts["server_errors"] > 0) is errors
    assert counts["benign_answered"] < 0.95


@pytest.mark.parametrize("disguise", prompts.DISGUISES)
def test_every_disguise_changes_the_words(disguise):
    assert disguise("a quick fox") != "a quick fox"
