"""A preview reads the same out of an answer's body as it was in the walk."""

from deployments.contracts import Change
from deployments.gateway.api.answers import preview_body
from deployments.gateway.walk.jobs import Preview
from evaluation.common.previews import Previewed


def test_what_the_gateway_answers_is_read_back():
    change = Change(kind="soften", before="a lazy man", after="a man", why="it demeans")
    preview = Preview(action="rewrite", scores={}, prompt="a man", changes=(change,))
    read = Previewed.of(preview_body(preview))
    assert read == Previewed("rewrite", "a man", (change,))
    assert read.stopped
