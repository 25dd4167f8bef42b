"""What is audited: data in four splits, a model, and the model's outputs on them, computed once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from audit import meaning
from audit.devices import map_examples
from audit.errors import ModelError
from audit.meaning import Outputs, given, label_probabilities, probabilities
from audit.outputs import finite, passed
from audit.read_only import owned, read_only
from audit.subject_parts import FOLD, Catalogue, Feature, Provenance, Tokens

Task = Literal["binary", "multiclass", "multilabel", "regression", "ranking"]
Modality = Literal["table", "image", "text", "series", "interactions"]
Inputs = Any  # an array with leading axis n, or a dict of such arrays
JUDGED = "test"
UNLABELLED = "unlabelled"  # rows without a target: what the model decides of them is known, and not judged
UNDECIDED = -1  # what a row with a NaN or an infinite output is decided: equal to no class


@dataclass(frozen=True, eq=False)
class Split:
    """Rows with one job. Every array has leading axis n; groups are text, '(missing)' where unknown.

    x: for a table one float32 matrix [n, d] in the features' own units, a categorical column holding
    its category's code (0 is a category not seen in train); for images float32 [n, height, width,
    channels] in [0, 1]; for texts int32 token ids [n, length], 0 after the end; a dict of arrays for
    sequences and user-item pairs.
    y: int class [n], 0/1 matrix [n, k] (multilabel), float [n] (regression) or the codes [n, m] of the items
    that came next (ranking; 0: nothing did). -1 in a split `outside`, of inputs of none of the classes.
    text: the texts themselves [n], where x are their tokens; they go into no record.
    line: digests [n] (uint64) of the rows as a file writes them, by which they are known again; they go into no record.
    """

    x: Inputs
    y: np.ndarray
    id: np.ndarray
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)
    cluster: np.ndarray | None = None
    weight: np.ndarray | None = None
    time: np.ndarray | None = None
    legitimate: Mapping[str, np.ndarray] = field(default_factory=dict)
    text: np.ndarray | None = field(default=None, repr=False)
    line: np.ndarray | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def weighted(self) -> bool:
        """Return whether rows have declared weights that differ: equal ones weigh nothing."""
        return self.weight is not None and len(self) > 0 and bool((self.weight != self.weight[0]).any())

    def take(self, rows: np.ndarray) -> Split:
        """Return the split of these rows (indices or a mask)."""

        def pick(a: Any) -> Any:
            return None if a is None else a[rows]

        x = {k: v[rows] for k, v in self.x.items()} if isinstance(self.x, Mapping) else self.x[rows]
        return replace(
            self,
            x=x,
            y=self.y[rows],
            id=self.id[rows],
            groups={k: v[rows] for k, v in self.groups.items()},
            cluster=pick(self.cluster),
            weight=pick(self.weight),
            time=pick(self.time),
            legitimate={k: v[rows] for k, v in self.legitimate.items()},
            text=pick(self.text),
            line=pick(self.line),
        )

    def each(self, f: Callable[..., Any], *others: Split) -> Split:
        """Return the split with f applied to each of its arrays (to x and mappings whole), beside those of others."""
        names = ("x", "y", "id", "groups", "cluster", "weight", "time", "legitimate", "text", "line")
        return replace(self, **{n: f(getattr(self, n), *(getattr(o, n) for o in others)) for n in names})

    def read_only(self) -> Split:
        """Return the split as views that refuse to be written to."""
        return self.each(read_only)

    def apart_from(self, given: Split) -> Split:
        """Return the split with a copy of each array whose memory is the given one's: later writes don't matter."""
        return self.each(owned, given)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Disjoint splits of one task: train fits, validation chooses, calibration tunes, test is judged once.

    `favourable` is the index of the class that is good for the person (in credit data the event is a
    default, so it is 0), None where no class is. `low` and `high` bound the inputs, broadcastable to one
    example; None means no declared bounds. scale: how far 1 of eps moves each input; None for images: the pixel
    range, high - low. unit: its name, where neither that nor a table's deviations say it (audit.subject_unit).
    tokens: of texts, how they become the inputs.
    folds: part[k, n] of a table that is cross-fitted, what each test row is to network k: one that it was trained on,
    stopped by, or judges ('train', 'validation', 'test'). Every row is then a test row, x has one column more
    than there are features, the row's fold, and the split train holds all rows too: as what is usual, not to fit on.
    """

    name: str
    task: Task
    modality: Modality
    splits: Mapping[str, Split]
    target: str = "y"
    classes: tuple[str, ...] = ()
    favourable: int | None = None
    features: tuple[Feature, ...] = ()
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    scale: np.ndarray | None = None
    unit: str = ""
    catalogue: Catalogue | None = None
    tokens: Tokens | None = None
    provenance: Provenance = Provenance()
    folds: np.ndarray | None = None

    def read_only(self) -> Dataset:
        """Return the dataset with arrays that refuse to be written to, for users' code to be given."""
        held = {n: read_only(getattr(self, n)) for n in ("low", "high", "scale", "folds")}
        splits = {name: split.read_only() for name, split in self.splits.items()}
        return replace(self, splits=splits, **held)

    @property
    def test(self) -> Split:
        """Return the split that is judged."""
        return self.splits[JUDGED]

    @property
    def reference(self) -> Split:
        """Return the rows that tell what is usual: the training rows, the judged ones where there are none."""
        train = self.splits.get("train")
        return train if train is not None and len(train) else self.test

    @property
    def columns(self) -> tuple[Feature, ...]:
        """Return every column of a table's x: the features and, where there are folds, the fold that nothing moves."""
        return self.features if self.folds is None else (*self.features, FOLD)

    @property
    def fold(self) -> np.ndarray | None:
        """Return the fold[n] of each test row, whose network judges it; None where one network judges all."""
        return None if self.folds is None else (self.folds == JUDGED).argmax(axis=0)


@dataclass(frozen=True)
class DecisionRule:
    """How outputs decide: the largest, class 1 or each label at or above a threshold, the top k, or not at all.

    Outputs that are decisions: the class `given`, or each label's `given_each`.
    """

    kind: Literal["argmax", "threshold", "each", "top_k", "none", "given", "given_each"] = "argmax"
    threshold: float = 0.5
    k: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise ModelError(f"DecisionRule: threshold={self.threshold}", "a number above 0 and below 1")

    def __str__(self) -> str:
        text = {
            "threshold": f"class 1 when its probability is at least {self.threshold:g}",
            "each": f"every label whose probability is at least {self.threshold:g}",
            "argmax": "the class with the largest output",
            "top_k": f"the {self.k} largest outputs",
            "given": "the class that the model gives",
            "given_each": "the labels that the model gives",
        }
        return text.get(self.kind, "the output itself")


@dataclass(frozen=True, eq=False)
class Model:
    """A function from (params, inputs) to outputs[n, k] and how to read them.

    outputs: 'logits' (k = 1 is the log-odds of class 1), 'probabilities' (k = 1 is that of class 1), 'decisions' (k = 1
    is the class's number, 0/1 or boolean of two; else one-hot; of labels 0/1 each) or 'values' (regression, ranking).
    None: not declared; `with_meaning` then tells, or refuses. Without `apply` the model is a file of scores: `scores`
    holds outputs[n, k] per split. `differentiable` says that JAX can trace `apply`. `decisions`: class[n] per split,
    where something besides the outputs decides (thresholds of each group); they then count, not the rule.
    parts: (params, x) -> activations[n, h, w, c] and (params, activations) -> outputs[n, k] of a network whose last
    convolution is told apart, with which Grad-CAM explains it.
    """

    name: str
    apply: Callable[[Any, Inputs], Any] | None
    params: Any = None
    outputs: Outputs | None = None
    decision: DecisionRule = DecisionRule()
    differentiable: bool = True
    network: str = ""
    scores: Mapping[str, np.ndarray] = field(default_factory=dict)
    decisions: Mapping[str, np.ndarray] = field(default_factory=dict)
    parts: tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]] | None = None
    origin: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Subject:
    """A model on its data, with outputs[n, k] of the test and calibration rows computed once.

    What the outputs mean is known: ValueError for a model that does not say, which `observe` and `with_meaning` settle.
    """

    model: Model
    data: Dataset
    outputs: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        meaning_of(self.model)

    @property
    def has(self) -> frozenset[str]:
        """Return what checks may need: gradient, function, bounds, groups, classes, features, ..."""
        data, model = self.data, self.model
        numbers = data.modality != "text"  # outputs have no gradient in token ids
        has_text = data.tokens is not None and data.test.text is not None and not model.decisions
        scores = model.outputs != "decisions"
        gradient = model.apply is not None and model.differentiable and scores
        present = {
            "function": model.apply is not None,
            "gradient": numbers and gradient and not model.decisions,
            "numbers": numbers,
            "images": data.modality == "image",
            "text": has_text,
            "bounds": data.low is not None and data.high is not None,
            "groups": bool(data.test.groups),
            "legitimate": bool(data.test.legitimate),
            "classes": data.task in ("binary", "multiclass", "multilabel"),
            "features": bool(data.features),
            "features or text": bool(data.features) or has_text,
            "favourable": data.favourable is not None,
            "probabilities": model.outputs in ("logits", "probabilities"),
            "scores": scores,
            "catalogue": data.catalogue is not None,
            "outside": len(data.splits.get("outside", ())) > 0,
            "calibration": len(self.outputs.get("calibration", ())) > 0,
        }
        return frozenset(name for name, there in present.items() if there)

    def probabilities(self, split: str = JUDGED) -> np.ndarray:
        """Return class probabilities[n, classes] (float64)."""
        return probabilities(self.outputs[split], self.model.outputs)

    def label_probabilities(self, split: str = JUDGED) -> np.ndarray:
        """Return each label's probability[n, labels] (float64) of a multilabel task."""
        return label_probabilities(self.outputs[split], self.model.outputs)

    def predictions(self, split: str = JUDGED) -> np.ndarray:
        """Return the decided class[n], or 0/1 labels[n, k] (multilabel)."""
        if self.model.decisions:
            return self.model.decisions[split]
        return decide(self.outputs[split], self.model)


def meaning_of(model: Model) -> Outputs:
    """Return what a model's outputs mean; ValueError where that was never settled."""
    if model.outputs is None:
        raise ValueError(
            f"model {model.name}: what its outputs are is not settled; use observe or with_meaning"
        )
    return model.outputs


def decide(outputs: np.ndarray, model: Model) -> np.ndarray:
    """Return the decided class[n], or labels[n, k], of outputs[n, k] under the model's decision rule.

    A row with an output that is not finite is UNDECIDED, so that it equals no class; so is, of outputs that are
    decisions, what is none of the classes' numbers.
    """
    whole, decided = finite(np.asarray(outputs)), _decided(outputs, model)
    return np.where(whole.reshape(-1, *[1] * (decided.ndim - 1)), decided, np.int32(UNDECIDED))


def _decided(outputs: np.ndarray, model: Model) -> np.ndarray:
    """Return what `decide` does of rows with finite outputs."""
    if meaning_of(model) == "decisions":
        return given(np.asarray(outputs, np.float64), each=model.decision.kind == "given_each")
    if model.decision.kind == "each":
        return (label_probabilities(outputs, model.outputs) >= model.decision.threshold).astype(np.int32)
    if model.decision.kind == "threshold":
        return (probabilities(outputs, model.outputs)[:, 1] >= model.decision.threshold).astype(np.int32)
    out = np.asarray(outputs)
    if out.shape[1] == 1:
        return (out[:, 0] >= (0.5 if model.outputs == "probabilities" else 0.0)).astype(np.int32)
    return out.argmax(axis=1).astype(np.int32)


def run_model(model: Model, x: Inputs, *, batch: int = 1024) -> np.ndarray:
    """Return outputs[n, k] (float32) of the model on x, batched, padded and sharded when it is JAX.

    Those that are not finite stay what they are, and are counted for the check that asks (audit.outputs).
    """
    if model.apply is None:
        raise ValueError("a file of scores cannot be run on new inputs")
    if model.differentiable:
        out = np.asarray(map_examples(model.apply, model.params, x, batch=batch))
        return passed(out.astype(np.float32) if out.dtype.kind in "biu" else out)
    return passed(np.asarray(model.apply(read_only(model.params), read_only(x)), np.float32))


def observe(model: Model, data: Dataset) -> Subject:
    """Return the subject: outputs on the test and calibration rows, or the model's stored scores.

    The subject's model says what its outputs mean (see `with_meaning`, whose ModelError this raises too).
    """
    names = _observed(data)
    if model.apply is None:
        outputs = {name: np.asarray(model.scores[name]) for name in names if name in model.scores}
    else:
        outputs = {name: run_model(model, data.splits[name].x) for name in names}
    return Subject(with_meaning(model, data, outputs), data, outputs)


def _observed(data: Dataset) -> list[str]:
    """Return the splits whose outputs are computed once."""
    return [name for name in (JUDGED, "calibration", UNLABELLED) if len(data.splits.get(name, ()))]


def with_meaning(model: Model, data: Dataset, outputs: Mapping[str, np.ndarray] | None = None) -> Model:
    """Return the model with what its outputs mean: declared, fixed by the task, or logits where nothing else fits.

    outputs: those of the test or calibration rows, computed here where they are needed and not given. What was not
    declared, and how it was read, becomes a note. Outputs that are decisions decide by themselves. Raises ModelError
    where the meaning is not declared and outputs could have more than one, where a declared one does not go with the
    task, and for decisions with a threshold.
    """
    means = meaning.declared(model.outputs, data.task, model.name)
    if means is None:
        found = outputs or {name: _outputs(model, data, name) for name in _observed(data)[:1]}
        of = next((np.asarray(found[name]) for name in (JUDGED, "calibration") if name in found), np.zeros(0))
        why = meaning.undeclared(of, data.task, len(data.classes), model.name)
        note = f"What the outputs are was not declared; read as logits, because {why}."
        return replace(model, outputs="logits", notes=(*model.notes, note))
    if means != "decisions":
        return model if means == model.outputs else replace(model, outputs=means)
    if model.decision.kind in ("threshold", "each", "top_k"):
        given = f"model {model.name}: its outputs are decisions, and its rule is {model.decision}"
        raise ModelError(given, "no rule beside them", "leave the decision rule out, or give scores")
    rule = DecisionRule("given_each" if data.task == "multilabel" else "given")
    return model if model.decision == rule else replace(model, decision=rule)


def _outputs(model: Model, data: Dataset, name: str) -> np.ndarray:
    """Return a split's outputs, run or stored; none where a file of scores lacks them."""
    if model.apply is None:
        return np.asarray(model.scores.get(name, np.zeros(0)))
    return run_model(model, data.splits[name].x)
