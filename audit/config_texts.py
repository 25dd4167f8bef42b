"""The parts of a configuration's block of texts: what each column is for, and how texts are cut into tokens."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from audit.evidence import Frozen


class TextColumns(Frozen, coerce_numbers_to_str=True):
    """What each column of a table of texts is for; a column in no role is not read."""

    text: str = Field(description="holds the texts")
    target: str
    positive: str | None = Field(default=None, description="the target's value that is class 1 (binary)")
    classes: tuple[str, ...] = Field(default=(), description="the target's values in order; found when empty")
    favourable: str | None = Field(default=None, description="the class that is good for the person")
    sensitive: tuple[str, ...] = Field(default=(), description="groups")
    id: str | None = None
    cluster: str | None = Field(default=None, description="texts of one person")
    missing: tuple[str, ...] = Field(default=(), description="cells that mean missing, such as 'n/a'")


class OutsideTexts(Frozen):
    """Texts that fit none of the classes, of which the model should not be sure; they train nothing."""

    path: str = Field(description="a CSV, TSV or Parquet file")
    text: str = Field(default="text", description="the column that holds the texts")
    obtain: str = Field(default="", description="one line: how to get the file, shown where it is absent")
    licence: str = ""


class TokensConfig(Frozen):
    """How texts are cut into tokens; the vocabulary is fitted on the training texts alone."""

    kind: Literal["bytes", "characters"] = Field(
        default="bytes", description="what is joined to tokens: bytes (none is unknown) or characters"
    )
    size: int = Field(default=8000, ge=300, description="tokens in the vocabulary at most")
    length: int = Field(default=64, ge=1, description="tokens that are read of a text")
    lower: bool = Field(default=True, description="capital and small letters are the same")
    least: int = Field(default=2, ge=1, description="how often a piece must occur in the training texts")
