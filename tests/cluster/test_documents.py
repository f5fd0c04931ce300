"""The documents' programs and commands that talk to the service, as a reader pastes them."""

import pytest

from tests.documents.blocks import Block, blocks, documents

BLOCKS = [block for path in documents() for block in blocks(path) if block.needs_service]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_block_runs_beside_the_service(cluster, block: Block):
    block.run(cluster.url)
