"""Texts as token ids: a vocabulary fitted on the training texts alone, by the library `tokenizers`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from audit.errors import DataError
from audit.subject import Tokens

PAD, UNKNOWN = "[PAD]", "[UNK]"  # ids 0 and 1
LEAST_SIZE = 300  # every byte and the two special tokens have their place


@dataclass(frozen=True)
class VocabularyPlan:
    """How texts are cut into tokens.

    kind: byte-pair encoding (Sennrich, Haddow and Birch 2016) of 'bytes', of which none is unknown, or of
    'characters', of which those that training never saw are [UNK]. size: tokens at most. length: tokens that are
    read of a text. lower: capital and small letters are the same. least: how often a pair must occur to be joined.
    """

    kind: Literal["bytes", "characters"] = "bytes"
    size: int = 8000
    length: int = 64
    lower: bool = True
    least: int = 2

    def __post_init__(self) -> None:
        for name, low in (("size", LEAST_SIZE), ("length", 1), ("least", 1)):
            if getattr(self, name) < low:
                raise DataError(f"tokens: {name}={getattr(self, name)}", f"{low} or more")


def fit(texts: Sequence[str], plan: VocabularyPlan, of: str = "training") -> Tokens:
    """Return the tokens of a vocabulary fitted on these texts, whatever their order; DataError without `tokenizers`.

    of: whose texts they are, for the record.
    """
    made, trainer = _empty(plan)
    made.train_from_iterator(sorted(texts), trainer)
    made.enable_truncation(plan.length)
    made.enable_padding(length=plan.length, pad_id=0, pad_token=PAD)
    size = made.get_vocab_size()
    lower = ", lower-cased" if plan.lower else ""
    return Tokens(
        encode=_encoder(made, plan.length),
        vocabulary=size,
        saved=made.to_str(pretty=True).encode(),
        says=f"byte-pair encoding of {plan.kind}: {size} tokens fitted on the {len(texts)} {of} texts, "
        f"{plan.length} tokens a text at most{lower}",
    )


def _encoder(made: Any, length: int) -> Callable[[Sequence[str]], np.ndarray]:
    """Return the function from texts to ids int32 [n, length]; a text without a token is one unknown token."""

    def encode(texts: Sequence[str]) -> np.ndarray:
        found = made.encode_batch([str(text) for text in texts]) if len(texts) else []
        ids = np.array([one.ids for one in found], np.int32).reshape(len(found), length)
        ids[(ids == 0).all(axis=1), 0] = 1
        return ids

    return encode


def _empty(plan: VocabularyPlan) -> tuple[Any, Any]:
    """Return an unfitted tokenizer and its trainer."""
    try:
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    except ImportError as error:
        raise DataError(
            "data: source: text without the library tokenizers",
            "it installed",
            "pip install 'jax-audit[text]'",
        ) from error
    common: dict[str, Any] = {
        "vocab_size": plan.size,
        "min_frequency": plan.least,
        "special_tokens": [PAD, UNKNOWN],
        "show_progress": False,
    }
    # WordPiece's trainer numbers its tokens by chance (0.23.3); this one gives equal vocabularies for equal texts
    if plan.kind == "bytes":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        trainer = trainers.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **common)
    else:
        made = Tokenizer(models.BPE(unk_token=UNKNOWN))
        made.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
        )
        trainer = trainers.BpeTrainer(**common)
    lower = [normalizers.Lowercase()] if plan.lower else []
    made.normalizer = normalizers.Sequence([normalizers.NFC(), *lower])
    return made, trainer
