"""Windows show the whole text, and no more of it twice than they must."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.inference.windows import window_slices


@given(data=st.data(), length=st.integers(0, 300), size=st.integers(1, 40))
def test_windows_cover_the_whole_and_neighbours_share_the_overlap(
    data: st.DataObject, length: int, size: int
):
    overlap = data.draw(st.integers(0, size - 1))
    text = list(range(length))
    pieces = [text[part] for part in window_slices(length, size, overlap)]
    assert [item for piece in pieces for item in piece[overlap:]] == text[overlap:]
    assert [piece[:overlap] for piece in pieces[1:]] == [
        piece[len(piece) - overlap :] for piece in pieces[:-1]
    ]
    assert all(0 < len(piece) <= size for piece in pieces)
    assert all(len(piece) == size for piece in pieces[:-1])
    assert pieces[:1] == ([text[:size]] if text else [])


@given(length=st.integers(2, 300), overlap=st.integers(1, 10), cue=st.integers(1, 10))
def test_a_cue_no_longer_than_the_overlap_is_whole_in_some_window(
    length: int, overlap: int, cue: int
):
    cue = min(cue, overlap, length)
    parts = window_slices(length, 3 * overlap, overlap)
    for start in range(length - cue + 1):
        assert any(p.start <= start and start + cue <= p.stop for p in parts)


@pytest.mark.parametrize(("size", "overlap"), [(8, 8), (8, 9), (8, -1), (0, 0)])
def test_windows_that_would_not_advance_are_refused(size: int, overlap: int):
    with pytest.raises(ValueError, match="windows"):
        window_slices(0, size, overlap)
