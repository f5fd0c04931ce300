"""What the documents tell a reader to run can be run, and what they tell to write is accepted."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from deployments.paths import ROOT
from tests.documents.blocks import SERVICE, blocks, documents, mistakes
from tests.documents.commands import Wrong

ALONE = [
    block
    for path in documents()
    for block in blocks(path)
    if not block.needs_service and any(block.programs())
]


@pytest.mark.slow
@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_has_no_mistakes(path):
    assert mistakes(path) == []


@pytest.mark.slow
@pytest.mark.parametrize("block", ALONE, ids=lambda block: block.place)
def test_what_needs_no_service_runs(block):
    block.run()


@pytest.fixture
def document(tmp_path):
    """Writes a document, of one block where a fence is given."""

    def write(text: str, fence: str | None = None):
        path = tmp_path / "README.md"
        path.write_text(text if fence is None else f"# A\n\n```{fence}\n{text}\n```\n")
        return path

    return write


CONFIG, POLICY = "yaml configs/miniature.yaml", "yaml configs/policies/default.yaml"


@pytest.mark.parametrize(
    ("fence", "text"),
    [
        ("python", "import openai"),
        ("sh", "make serve  # starts it\n\n# a remark\nmake plan CONFIG=configs/miniature.yaml"),
        ("sh", "make lock UPGRADE=1"),
        ("sh", "python -m deployments.ops.policy \\\n    diff a.yaml b.yaml prompts.txt"),
        ("sh", "python -m deployments.ops.shadow_report runs/of_the_reader.jsonl"),
        ("sh", f"curl {SERVICE}/v1/models"),
        (CONFIG, "diffusion: {max_waiting: 8}"),
        (POLICY, "thresholds: {act: 0.6}"),
        ("text", "anything at all"),
    ],
)
def test_a_right_block_is_accepted(document, fence, text):
    assert mistakes(document(text, fence)) == []


@pytest.mark.parametrize(
    ("fence", "text", "expected"),
    [
        ("python", "import openai as", "is no Python"),
        ("sh", "make sevre", "no target 'sevre'"),
        ("sh", "make docs", "no target 'docs'"),  # a folder
        ("sh", "make plan CONFG=configs/miniature.yaml", "no variable 'CONFG'"),
        ("sh", "make plan CONFIG=configs/minature.yaml", "no 'configs/minature.yaml'"),
        ("sh", "python -m safelight ID", "no module 'safelight'"),
        ("sh", "python -m safelight.ops.why ID", "no module 'safelight.ops.why'"),
        ("sh", "python -m deployments.ops.service", "is no command"),
        ("sh", "python -m deployments.ops", "is no command"),
        ("sh", "python -m k8s.render --all", "takes no arguments"),
        ("sh", "python -m deployments.ops.why", "arguments are required"),
        ("sh", "python -m deployments.ops.why ID --lgo x", "--lgo"),
        ("sh", "python -m k8s.rehearse minature", "invalid choice: 'minature'"),
        ("sh", "python -m deployments.ops.policy chekc a.yaml", "does not take 'chekc a.yaml'"),
        ("sh", "kubectl apply -k k8s/overlay/miniature", "no 'k8s/overlay/miniature'"),
        ("sh", "curl 'http://127.0.0.1:8000", "is no command"),
        ("sh", "rm -r runs", "no known kind of command"),
        (CONFIG, "diffusion: {max_waitng: 8}", "max_waitng"),
        (CONFIG, "diffusion: [", "is no part of configs/miniature.yaml"),
        (CONFIG, "diffusion", "is no part of configs/miniature.yaml"),
        (POLICY, "thresholds: {atc: 0.9}", "unknown key `thresholds.atc`"),
        (POLICY, "output: {wach: null}", "null takes `wach` away"),
        (POLICY, "thresholds: {act: 0.2}", "steer <= act"),
        ("yaml", "thresholds: {act: 0.9}", "no known kind of block: 'yaml'"),
        ("yaml configs/minature.yaml", "policy: x", "no known kind of block"),
        ("text skip", "", "no known kind of block: 'text skip'"),
        ("json", "{}", "no known kind of block: 'json'"),
        ("", "make serve", "no known kind of block: ''"),
    ],
)
def test_a_broken_block_is_found(document, fence, text, expected):
    (only,) = mistakes(document(text, fence))
    assert only.startswith("README.md:3: ")
    assert expected in only


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("So `make\nsevre` starts it.", "`make sevre`: the Makefile has no target"),
        ("Then `python -m k8s.rehearse\nminature`.", "invalid choice"),
        ("By `training.diffusion.unet --minuets 3`.", "--minuets"),
        ("- so:\n\n  ```\n  make serve\n  ```\n", "no known kind of block: ''"),
        ("~~~json\n{}\n~~~\n", "no known kind of block: 'json'"),
        ("```sh\nmake serve\n", "no fence"),
        ("So:\n\n    make sevre\n", "no fence"),
    ],
)
def test_a_mistake_beside_the_blocks_is_found(document, text, expected):
    (only,) = mistakes(document(text))
    assert expected in only


def test_what_a_sentence_may_leave_out(document):
    assert (
        mistakes(document("Run `make serve`, `training.judge.train --minutes 3`, or make do."))
        == []
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fence", "text"),
    [
        ("python", "import json\njson.laods()"),
        ("sh", "make serve\npython -m deployments.ops.why ID --log runs/none.jsonl"),
    ],
)
def test_what_fails_when_it_runs_is_found(document, fence, text):
    (block,) = blocks(document(text, fence))
    assert not block.needs_service
    with pytest.raises(Wrong, match=r"README\.md:3: "):
        block.run()


class Answering(BaseHTTPRequestHandler):
    """Knows /healthz, and nothing else."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url():
    """Where a service is that has another port than the documents say."""
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


CURL = "curl {0}{1}"
PYTHON = "import httpx\nhttpx.get('{0}{1}').raise_for_status()"


@pytest.mark.slow
@pytest.mark.program("curl")
@pytest.mark.parametrize(("fence", "text"), [("sh", CURL), ("python", PYTHON)])
def test_what_needs_the_service_is_sent_to_it(document, url, fence, text):
    (right,) = blocks(document(text.format(SERVICE, "/healthz"), fence))
    (wrong,) = blocks(document(text.format(SERVICE, "/helthz"), fence))
    assert right.needs_service
    right.run(url)
    with pytest.raises(Wrong, match="404"):
        wrong.run(url)
