"""The base of what an operator writes: the `args` of a Serve configuration, and policies."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator


class Configuration(BaseModel):
    """A frozen part of a configuration. Unknown keys are refused, renamed ones with the new name.

    Attributes:
        renamed: keys of earlier versions and what they are called now.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    renamed: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _names_are_todays(cls, content: Any) -> Any:
        if isinstance(content, Mapping):
            for old in cls.renamed.keys() & content.keys():
                raise ValueError(f"`{old}` is now called `{cls.renamed[old]}`")
        return content
