"""The configuration: YAML to one frozen Config; errors name the line and the nearest known key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from audit import yaml_text
from audit.config_errors import validated
from audit.config_interactions import InteractionData
from audit.config_parts import DerivedColumn, ImageArrays
from audit.config_split import ALONE, WHOLE, SplitConfig, refuse_no_file
from audit.config_texts import OutsideTexts, TextColumns, TokensConfig
from audit.config_training import TrainConfig
from audit.errors import ConfigError
from audit.evidence import Frozen, Policy
from audit.locate import named, resolve, shipped
from audit.places import places
from audit.policies import load_policy, with_includes
from audit.registry import find
from audit.remedies.options import Parity

VERSION = 1
Formats = Literal["html", "markdown", "sarif", "junit", "model_card", "cyclonedx", "intoto", "csv", "parquet"]


class Columns(Frozen, coerce_numbers_to_str=True):
    """What each column of a table is for; a column in no role is not read."""

    target: str
    positive: str | None = Field(default=None, description="the target's value that is class 1 (binary)")
    classes: tuple[str, ...] = Field(default=(), description="the target's values in order; found when empty")
    favourable: str | None = Field(default=None, description="the class that is good for the person")
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = Field(default=(), description="groups; features only if listed there too")
    legitimate: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    immutable: tuple[str, ...] = Field(default=(), description="features that no attack may change")
    id: str | None = None
    cluster: str | None = Field(default=None, description="rows of one person: patient, user")
    weight: str | None = None
    time: str | None = None
    missing: tuple[str, ...] = Field(default=(), description="texts that mean missing, such as '?'")
    missing_numeric: Literal["refuse", "drop", "median"] = "refuse"
    units: dict[str, str] = Field(default_factory=dict)
    ranges: dict[str, tuple[float, float]] = Field(default_factory=dict)
    bands: dict[str, tuple[float, ...]] = Field(default_factory=dict, description="edges of numeric groups")
    derive: dict[str, DerivedColumn] = Field(
        default_factory=dict,
        description="new columns made of others, in this order; each is named by its key",
    )


class EmbeddedData(Frozen):
    """A real data set that comes with scikit-learn; needs no network."""

    source: Literal["embedded"]
    dataset: Literal["diabetes", "digits"]
    split: SplitConfig | None = Field(default=None, description=WHOLE)


class TableData(Frozen):
    """A CSV or Parquet table, with its test rows in a file of their own or split off."""

    source: Literal["table"]
    name: str = ""
    task: Literal["binary", "multiclass", "multilabel", "regression", "ranking"] = "binary"
    path: str | None = Field(default=None, description=ALONE)
    test: str | None = None
    columns: Columns
    split: SplitConfig | None = Field(default=None, description=WHOLE)
    obtain: str = Field(default="", description="one line: how to get the file, shown where it is absent")
    licence: str = ""
    sha256: str | None = None

    @model_validator(mode="after")
    def _some_rows(self) -> TableData:
        refuse_no_file(self.path, self.test, self.split)
        return self


class ImageData(Frozen):
    """Images in IDX or NPZ files, read as floats in [0, 1]."""

    source: Literal["images"]
    name: str = ""
    path: str | None = Field(default=None, description=ALONE)
    labels: str | None = None
    test: str | None = None
    test_labels: str | None = None
    classes: tuple[str, ...] = ()
    favourable: str | None = None
    arrays: ImageArrays | None = Field(default=None, description="what else an NPZ file holds")
    split: SplitConfig | None = Field(default=None, description=WHOLE)
    obtain: str = ""
    licence: str = ""
    sha256: str | None = Field(default=None, description="expected digest of the files, refused if other")

    @model_validator(mode="after")
    def _some_rows(self) -> ImageData:
        refuse_no_file(self.path, self.test, self.split)
        return self


class TextData(Frozen):
    """Texts with class labels in a CSV or Parquet table, with test rows in a file of their own or split off."""

    source: Literal["text"]
    name: str = ""
    task: Literal["binary", "multiclass"] = "multiclass"
    path: str | None = Field(default=None, description=ALONE)
    test: str | None = None
    columns: TextColumns
    tokens: TokensConfig = TokensConfig()
    outside: OutsideTexts | None = Field(
        default=None, description="texts of none of the classes, which calibration.scope measures against"
    )
    split: SplitConfig | None = Field(default=None, description=WHOLE)
    obtain: str = Field(default="", description="one line: how to get the file, shown where it is absent")
    licence: str = ""
    sha256: str | None = None

    @model_validator(mode="after")
    def _some_rows(self) -> TextData:
        refuse_no_file(self.path, self.test, self.split)
        return self


DataConfig = Annotated[
    EmbeddedData | TableData | ImageData | TextData | InteractionData, Field(discriminator="source")
]


class ModelConfig(Frozen):
    """A network by name or './net.py:build', trained here or restored; or a file of scores in its place."""

    network: str | None = Field(
        default=None,
        description="mlp, cnn, classic_cnn, resnet, gru, transformer, two_tower, sequential or ./file.py:function",
    )
    options: dict[str, Any] = Field(default_factory=dict)
    train: TrainConfig | None = None
    weights: str | None = Field(default=None, description="a checkpoint folder to restore")
    scores: str | None = Field(
        default=None,
        description="a CSV, Parquet or NPZ file of outputs for the test rows; the data's own file may be it",
    )
    columns: tuple[str, ...] = Field(
        default=(), description="columns of that file that hold the scores; empty: those named as the classes"
    )
    span: tuple[float, float] | None = Field(
        default=None,
        description="the scores' own lowest and highest value, read as 0 and 1 (outputs: probabilities)",
    )
    outputs: Literal["logits", "probabilities", "decisions", "values"] | None = Field(
        default=None,
        description="what the outputs are; null: known (trained here, a predicted number), else logits where they can "
        "be nothing else",
    )
    untrained: bool = Field(
        default=False, description="audit a network with its random initial parameters, and say so"
    )
    scaling: Literal["temperature", "vector"] | None = Field(
        default=None, description="scale the logits, fitted on the calibration rows (Guo et al. 2017)"
    )
    rewrite: bool | None = Field(
        default=None,
        description="convolutions and pooling in a form with faster gradients on CPUs; null: where it measures faster",
    )
    name: str = ""

    @model_validator(mode="after")
    def _starts(self) -> ModelConfig:
        fine_tuned = self.train is not None and self.train.start == "weights"
        if self.train is not None and self.weights is not None and not fine_tuned:
            raise ValueError(
                "train.start: weights where both weights and train are given (to fine-tune), or one of the two"
            )
        if fine_tuned and self.weights is None:
            raise ValueError("weights, a checkpoint folder, beside train.start: weights")
        if self.untrained and (self.train or self.weights or self.scores):
            raise ValueError("untrained: true alone, without train, weights or scores")
        return self

    @model_validator(mode="after")
    def _of_scores(self) -> ModelConfig:
        if (self.columns or self.span) and self.scores is None:
            raise ValueError("columns and span without scores")
        if self.span and (self.outputs != "probabilities" or not self.span[0] < self.span[1]):
            raise ValueError("span, lowest value first, with outputs other than probabilities")
        return self


class DecisionConfig(Frozen):
    """How outputs decide."""

    rule: Literal["argmax", "threshold", "top_k", "none"] | None = None
    threshold: float = Field(default=0.5, gt=0, lt=1)
    k: int = Field(default=1, ge=1)
    parity: Parity | None = Field(
        default=None,
        description="thresholds of each group, fitted on the calibration rows, in the rule's place",
    )


class SystemConfig(Frozen):
    """What the provider declares; printed as given, never verified."""

    provider: str = ""
    intended_use: str = ""
    not_intended_for: str = ""
    affected_people: str = ""
    human_oversight: str = ""
    responsible_person: str = ""


class RecordConfig(Frozen):
    """What the record keeps beside the results."""

    row_outcomes: bool = Field(
        default=False,
        description="what the model did on each test row, under salted ids: lets `compare` pair two runs' rows",
    )


class Config(Frozen):
    """One audit."""

    version: Literal[1] = VERSION
    name: str = Field(min_length=1, max_length=200)
    system: SystemConfig = SystemConfig()
    data: DataConfig | None = None
    model: ModelConfig | None = None
    decision: DecisionConfig = DecisionConfig()
    checks: dict[str, dict[str, Any]] = Field(min_length=1)
    policy: str | Policy = Field(
        default="default", description="a shipped policy, a file, or the rules themselves"
    )
    seed: int = Field(default=0, ge=0, lt=2**31)
    out: str | None = Field(default=None, description="folder of the runs; by default runs/ where you are")
    formats: tuple[Formats, ...] = ("html",)
    record: RecordConfig = RecordConfig()
    remedies: tuple[dict[str, dict[str, Any]], ...] = Field(
        default=(), description="each tried on validation, then audited beside the model asked about"
    )


@dataclass(frozen=True)
class Loaded:
    """A valid configuration with its policy, the options of its checks and of its remedies (name, options).

    base: the folder its paths are relative to. places: file:line of each rule, where it stands below this folder.
    """

    config: Config
    policy: Policy
    options: dict[str, Any]
    base: Path
    remedies: tuple[tuple[str, Any], ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)

    def path(self, text: str, todo: str = "") -> Path:
        """Return a path of the configuration: variables expanded, relative to the configuration's file."""
        return resolve(text, self.base, todo)

    def runs(self, out: str | Path | None = None) -> Path:
        """Return the folder of the runs: the caller's, the configuration's, or runs/ here."""
        if out is not None:
            return Path(out)
        return self.path(self.config.out) if self.config.out else Path("runs")


def load(
    source: str | Path | dict[str, Any], overrides: tuple[str, ...] = (), *, options: bool = True
) -> Loaded:
    """Return the valid configuration of a file, a shipped name or a mapping, `a.b=c` overrides applied.

    options: those of checks and remedies, too; finding them imports JAX and plugins.
    """
    if isinstance(source, dict):
        path, value, lines, base, name = None, dict(source), {}, Path.cwd(), "config"
    else:
        path = named(str(source), shipped(), "config", Path.cwd())
        value, lines = yaml_text.read(path)
        base, name = path.parent, str(source)
    for override in overrides:
        _override(value, override)
    raw = value.get("policy", "default")
    if isinstance(raw, dict):
        value["policy"] = with_includes(raw, lines, name, ("policy",), base, ())
    config = validated(Config, value, lines, name)
    policy = load_policy(config.policy, base)
    where = places(path, raw, lines, policy.rules) if path else {}
    if not options:
        return Loaded(config, policy, {}, base, (), where)
    known = {check: _options(check, given, lines, name) for check, given in config.checks.items()}
    remedies = tuple(_remedy(i, given, lines, name) for i, given in enumerate(config.remedies))
    return Loaded(config, policy, known, base, remedies, where)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a configuration, with the options of every registered check and remedy."""
    from audit.registry import checks
    from audit.remedies import remedies

    whole = Config.model_json_schema()
    definitions = whole.setdefault("$defs", {})
    of = {"type": "object", "additionalProperties": False, "minProperties": 1}
    whole["properties"]["checks"] = {**of, "properties": _schemas(checks(), definitions)}
    one = {**of, "maxProperties": 1, "properties": _schemas(remedies(), definitions)}
    whole["properties"]["remedies"] = {"type": "array", "items": one}
    whole["properties"]["$schema"] = {"type": "string"}
    text: dict[str, Any] = {"type": "string"}
    many = {"anyOf": [text, {"type": "array", "items": text}], "description": "policies whose rules hold too"}
    definitions["Policy"]["properties"]["include"] = many  # read before the policy is validated
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "jax-audit configuration",
        **whole,
    }


def _schemas(registered: Mapping[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of the options of each check or remedy, their parts added to the definitions."""
    found = {}
    for name, one in registered.items():
        part = one.options.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(part.pop("$defs", {}))
        found[name] = {**part, "title": one.title, "description": one.says}
    return found


def _override(value: dict[str, Any], text: str) -> None:
    """Apply one `a.b=c` in place; the right side is YAML; longest dotted keys win (check names have dots)."""
    key, sign, right = text.partition("=")
    if not sign or not key:
        raise ConfigError(f"--set {text!r}", "KEY=VALUE", "for example --set seed=1")
    parsed = yaml_text.parse(f"v: {right}", f"--set {text}")[0]["v"]
    parts, at = key.split("."), value
    while len(parts) > 1:
        size = next((i for i in range(len(parts) - 1, 0, -1) if ".".join(parts[:i]) in at), 1)
        name, parts = ".".join(parts[:size]), parts[size:]
        if not isinstance(at.setdefault(name, {}), dict):
            at[name] = {}
        at = at[name]
    at[parts[0]] = parsed


def _options(check: str, given: dict[str, Any], lines: dict[Any, int], name: str) -> Any:
    """Validate the options of one configured check."""
    return validated(find(check).options, given, lines, name, ("checks", check))


def _remedy(i: int, given: dict[str, dict[str, Any]], lines: dict[Any, int], name: str) -> tuple[str, Any]:
    """Return the name and valid options of one configured remedy."""
    from audit.remedies import find as find_remedy

    if len(given) != 1:
        raise ConfigError(f"{name}: remedies.{i}={list(given)}", "one remedy's name with its options")
    ((remedy, options),) = given.items()
    kind = find_remedy(remedy).options
    return remedy, validated(kind, options, lines, name, ("remedies", i, remedy))
