"""Long texts are read in windows, and this is where windows are cut."""


def window_slices(length: int, size: int, overlap: int) -> list[slice]:
    """The windows of a sequence: together they cover it, and neighbours share `overlap` items.

    Args:
        length: items (tokens) of the sequence; an empty one has no window.
        size: the most items of one window.

    Raises:
        ValueError: the overlap is not below the size, so the windows would not advance.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"windows of {size} items cannot share {overlap} with their neighbours")
    if not length:
        return []
    stride = size - overlap
    starts = range(0, max(length - size, 0) + stride, stride)
    return [slice(start, start + size) for start in starts]
