"""The judge's confusion is counted against the eye's labels, on the pictures they were given to."""

import json

import numpy as np
from PIL import Image

from evaluation.judge.agreement import COLUMNS, LABELS, PICTURES, against_the_eye, labelled
from training.classifiers.data import SIZE


def write(folder, levels, labels):
    """A grid of even pictures, and their labels."""
    rows = -(-len(levels) // COLUMNS)
    grid = np.zeros((rows * SIZE, COLUMNS * SIZE, 3), np.uint8)
    for place, level in enumerate(levels):
        y, x = (SIZE * part for part in divmod(place, COLUMNS))
        grid[y : y + SIZE, x : x + SIZE] = level
    Image.fromarray(grid).save(folder / PICTURES)
    lines = [json.dumps({"prompt": "a house", "seed": 1, "harms": harms}) for harms in labels]
    (folder / LABELS).write_text("\n".join(lines))


def test_each_label_keeps_its_picture_and_open_ones_are_left_out(tmp_path):
    levels = [*range(COLUMNS), 200, 210]
    write(tmp_path, levels, [None] * (COLUMNS - 1) + [[], ["violence"], None])
    pixels, rows = labelled(tmp_path)
    assert [picture.max() for picture in pixels] == [COLUMNS - 1, 200]
    assert [row["harms"] for row in rows] == [[], ["violence"]]


def test_the_judge_beside_the_eye():
    rows = [
        {"judge": ["violence"], "truth": ["violence"]},
        {"judge": ["violence"], "truth": ["hate"]},
        {"judge": ["violence"], "truth": []},
        {"judge": [], "truth": ["violence"]},
        {"judge": [], "truth": []},
    ]
    found = against_the_eye(rows)
    assert found["by_eye"].value == 3 / 5
    assert (found["precision_by_eye/any"].value, found["recall_by_eye/any"].value) == (2 / 3, 2 / 3)
    assert found["precision_by_eye/violence"].value == 1 / 3
    assert found["recall_by_eye/violence"].value == 1 / 2
    assert found["recall_by_eye/hate"].value == 0
