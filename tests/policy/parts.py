"""A small policy without mistakes, and files to put policies into."""

import textwrap
from pathlib import Path

GOOD = """\
name: club
version: "1"
cnn: {pass_below: 0.3, block_above: 0.9}
categories:
  violence:
    code: A
    description: people hurt
    why: it is violent
    action: block
  mascot:
    code: B
    description: our rival's mascot, a blue goat
    why: it shows our rival's mascot
    action: rewrite
    rewrite: generic
    examples:
      forbidden: [a blue goat, a goat in blue]
      allowed: [a white goat, a blue sheep]
output:
  thresholds: {violence: 0.5}
  why: {violence: it shows violence}
"""


def write(folder: Path, text: str, name: str = "policy.yaml") -> Path:
    path = folder / name
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path
