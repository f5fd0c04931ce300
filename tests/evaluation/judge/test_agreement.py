"""The judge's confusion is counted against the eye's labels, on the pictures they were given to."""

import json

import numpy as np
from PIL import Image

from evaluation.judge.agreement import COLUMNS, LABELS, PICTURES, confusion, labelled
from training.classifiers.data import SIZE
from training.judge.model import Reading


class Brightness:
    """Calls a bright picture violent: what it is shown decides what it says."""

    def read(self, pixels, prompts):
        harms = [frozenset({"violence"} if picture.mean() > 100 else ()) for picture in pixels]
        return [Reading({}, {}, found, {}) for found in harms]


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


def test_the_four_cells_of_the_confusion(tmp_path):
    write(tmp_path, [200, 200, 200, 0, 0], [["violence"], ["hate"], [], ["violence"], []])
    found = confusion(Brightness(), tmp_path)
    assert (found["any"], found["violence"]) == ([2, 1, 1, 1], [1, 2, 1, 1])
    assert found["hate"] == [0, 0, 1, 4]
    assert (found["agreement"]["hits"], found["agreement"]["of"]) == (3, 5)
