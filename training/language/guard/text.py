"""The guard's written text: template lines, read from the files of one folder.

A category's file has `harmful`, `harmless` and `twins`; `slots` may stand in any file, and their
names are shared by all.
"""

from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "tables"


class GuardText:
    """Template lines, in the notation of `training.language.grammar`.

    Attributes:
        slots: fillers by name.
        harmful, harmless, twins: category -> lines; a twin is `harmful => harmless`.
        everyday: harmless lines of no category's field.
        foreign: category or `harmless` -> lines in other languages.
        injections: texts that try to talk a guard round, with `{}` for the prompt.
        styles: what may follow or precede any prompt.
        avoid_harm, avoid_clothes: negative prompts; `adults`: prompts that go with either.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        files = {
            file.stem: yaml.safe_load(file.read_text(encoding="utf-8"))
            for file in sorted(folder.rglob("*.yaml"), key=lambda file: file.stem)
        }
        categories = {
            file.stem: files[file.stem] for file in sorted((folder / "categories").glob("*.yaml"))
        }
        self.slots: dict[str, str] = {}
        for file in files.values():
            self.slots |= file.get("slots", {})
        self.harmful, self.harmless, self.twins = (
            {name: lines(file[part]) for name, file in categories.items()}
            for part in ("harmful", "harmless", "twins")
        )
        self.everyday = lines(files["everyday"]["harmless"]) + lines(
            files["injections"]["innocent"]
        )
        self.foreign = _blocks(files["foreign"])
        self.injections = lines(files["injections"]["lines"])
        self.styles = lines(files["styles"]["lines"])
        negative = _blocks(files["negative"])
        self.avoid_harm = negative["avoid_harm"] + negative.get("avoid_other", [])
        self.avoid_clothes, self.adults = negative["avoid_clothes"], negative["adults"]


def lines(block: str | list[str]) -> list[str]:
    """The lines of a block, or the items of a list."""
    return block.strip().splitlines() if isinstance(block, str) else block


def _blocks(file: dict[str, Any]) -> dict[str, list[str]]:
    return {name: lines(block) for name, block in file.items() if name != "slots"}
