"""What every test shares: two CPU devices, strict shapes, deterministic hypothesis, small subjects."""

from __future__ import annotations

import os
import tempfile

os.environ["XLA_FLAGS"] = (
    f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2".strip()
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAX_COMPILATION_CACHE_DIR"] = (  # not the user's; workers share the one of who started them
    os.environ["JAX_COMPILATION_CACHE_DIR"]
    if "PYTEST_XDIST_WORKER" in os.environ
    else tempfile.mkdtemp(prefix="jax-audit-tests-")
)

os.environ["XDG_STATE_HOME"] = (  # nor the user's keys
    os.environ["XDG_STATE_HOME"]
    if "PYTEST_XDIST_WORKER" in os.environ
    else tempfile.mkdtemp(prefix="jax-audit-state-")
)
os.environ.pop("JAX_AUDIT_CACHE_KEY", None)

import atexit
import hashlib
import re
import shutil
from dataclasses import replace
from pathlib import Path

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audit import cache_key, state
from audit.evidence import Artifact
from audit.memory_maps import make_room
from audit.registry import Context
from audit.subject import Catalogue, Dataset, DecisionRule, Feature, Model, Split, Subject, Tokens, observe

if "PYTEST_XDIST_WORKER" not in os.environ:
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
    atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)
jax.config.update("jax_numpy_rank_promotion", "raise")
hypothesis.settings.register_profile("audit", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("audit")

SIZES = {"train": 300, "validation": 80, "calibration": 200, "test": 400}


def pytest_xdist_make_scheduler(config, log):
    """A file's tests go to one worker, which compiles what they share once; so do those of one contract's case."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            case = re.search(r"\[([a-z._0-9]+ on \w+)", nodeid)
            return case[1] if case else nodeid.split("::")[0]

    return ByFile(config, log)


@pytest.fixture(scope="module", autouse=True)
def room():
    """Room for what the next file compiles."""
    make_room()


@pytest.fixture(autouse=True)
def own_state(monkeypatch, tmp_path_factory):
    """A state folder of the test's own, with the session's key: no judgement of another test's is remembered."""
    cache_key.key(print)
    own = tmp_path_factory.mktemp("state")
    shutil.copytree(state.path(), own / "jax-audit", ignore=shutil.ignore_patterns("judgements"))
    monkeypatch.setenv("XDG_STATE_HOME", str(own))


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets, named by JAX_AUDIT_DATA; without it the test skips."""
    folder = os.environ.get("JAX_AUDIT_DATA", "")
    if not folder:
        pytest.skip("JAX_AUDIT_DATA does not name the folder of real data sets")
    return Path(folder)


@pytest.fixture
def context() -> Context:
    """A check's context: a fixed key and seed, quick, sidecar files kept nowhere."""
    return Context(key=jax.random.key(7), seed=7, quick=True, attach=_attach)


@pytest.fixture(scope="session")
def table_subject() -> Subject:
    """400 test rows, five features (one categorical), two sensitive attributes, two factors, a logistic model of y."""
    rng = np.random.default_rng(11)
    names = ("income", "debt", "years", "savings")
    features = tuple(Feature(name, low=-4.0, high=4.0, mutable=name != "years") for name in names) + (
        Feature("region", kind="categorical", low=0.0, high=3.0, categories=("north", "south", "west")),
    )
    data = Dataset(
        name="synthetic credit",
        task="binary",
        modality="table",
        splits={name: _table(rng, n, name) for name, n in SIZES.items()},
        target="default",
        classes=("repaid", "default"),
        favourable=0,
        features=features,
        low=np.asarray([f.low for f in features], np.float32),
        high=np.asarray([f.high for f in features], np.float32),
        scale=np.ones(len(features), np.float32),
    )
    params = {"w": jnp.asarray([-0.9, 1.1, -0.5, 0.1, 0.2], jnp.float32), "b": jnp.float32(0.1)}
    return observe(
        Model("logistic", _logistic, params, outputs="logits", network="logistic regression"), data
    )


@pytest.fixture(scope="session")
def image_subject() -> Subject:
    """90 test images of 8x8 grey pixels in three classes (which third is bright), two groups, a dense network."""
    rng = np.random.default_rng(12)
    data = Dataset(
        name="synthetic bars",
        task="multiclass",
        modality="image",
        splits={name: _images(rng, max(n // 4, 90), name) for name, n in SIZES.items()},
        target="bar",
        classes=("left", "middle", "right"),
        low=np.zeros((1, 1, 1), np.float32),
        high=np.ones((1, 1, 1), np.float32),
    )
    columns = np.minimum(np.arange(8) // 3, 2)
    bar = np.stack(
        [np.tile(columns == k, (8, 1)).ravel() / (8 * (columns == k).sum()) for k in range(3)], axis=1
    )
    params = {"w": jnp.asarray(bar, jnp.float32)}
    return observe(Model("dense", _dense, params, network="two dense layers"), data)


@pytest.fixture(scope="session")
def regression_subject(table_subject) -> Subject:
    """The table's rows with a number to predict, and a linear model that is off by 0.4 for one sex."""
    splits = {name: replace(s, y=_amount(s)) for name, s in table_subject.data.splits.items()}
    data = replace(
        table_subject.data, task="regression", splits=splits, target="amount", classes=(), favourable=None
    )
    params = {"w": jnp.asarray([1.5, -1.0, 0.5, 0.0, 0.0], jnp.float32), "b": jnp.float32(0.2)}
    model = Model(
        "linear",
        _linear,
        params,
        outputs="values",
        decision=DecisionRule("none"),
        network="linear regression",
    )
    return observe(model, data)


@pytest.fixture(scope="session")
def multilabel_subject(table_subject) -> Subject:
    """The table's rows with three labels that go together, the second the favourable one, and a linear model."""
    splits = {name: replace(s, y=_labelled(s)) for name, s in table_subject.data.splits.items()}
    data = replace(
        table_subject.data, task="multilabel", splits=splits, target="late, paid, called", favourable=1,
        classes=("late", "paid", "called"),
    )  # fmt: skip
    w = np.array([[-1.0, 1.0, 0.4], [1.0, -0.7, 0.1], [0.0, 0.3, -0.5], [0.2, 0.0, 0.9], [0.0, 0.0, 0.0]])
    model = Model("three", _three, {"w": jnp.asarray(w, jnp.float32)}, decision=DecisionRule("each"))
    return observe(model, data)


def _three(params, x):
    """Return a logit of each label."""
    return x @ params["w"]


def _labelled(split: Split) -> np.ndarray:
    """Return 0/1 labels[n, 3] that follow the features and one another."""
    rng, x = np.random.default_rng(len(split)), np.asarray(split.x)
    shared = rng.normal(size=(len(split), 1))
    return (x[:, [1, 0, 3]] * [1, 1, 2] + shared + rng.logistic(size=(len(split), 3)) > 0.3).astype(np.int32)


@pytest.fixture(scope="session")
def ranking_subject() -> Subject:
    """400 users with up to 8 liked of 40 items and one held out, and a model of nearness to the history."""
    rng = np.random.default_rng(13)
    places, kinds = rng.normal(size=(40, 4)), rng.integers(0, 3, 40)
    splits = {n: _histories(rng, SIZES[n], n, places) for n in ("train", "validation", "test")}
    splits["calibration"] = splits["test"].take(np.arange(0))
    counts = np.bincount(splits["train"].x["history"].ravel(), minlength=41)[1:]
    data = Dataset(
        name="synthetic films",
        task="ranking",
        modality="interactions",
        splits=splits,
        target="next film",
        catalogue=Catalogue(counts, {"genre": (("comedy", "drama", "war"), np.eye(3)[kinds])}),
    )
    params = {"embed": jnp.asarray(places, jnp.float32), "bias": jnp.asarray(counts / 100, jnp.float32)}
    model = Model("near", _near, params, outputs="values", decision=DecisionRule("top_k", k=10))
    return observe(model, data)


def _near(params, x):
    """Return scores[n, 40]: popularity, and the inner product with the mean of the history's places."""
    embed = jnp.concatenate([jnp.zeros((1, 4)), params["embed"]])
    state = embed[x["history"]].sum(axis=1) / jnp.maximum((x["history"] > 0).sum(axis=1), 1)[:, None]
    return state @ params["embed"].T + params["bias"][None]


def _histories(rng: np.random.Generator, n: int, name: str, places: np.ndarray) -> Split:
    """Return n users who take nine items near their own taste, popular ones first, and see a few others."""
    taste = rng.normal(size=(n, 4))
    drawn = np.argsort(-(taste @ places.T + rng.gumbel(size=(n, 40)) - np.arange(40) / 20), axis=1) + 1
    history, seen = drawn[:, :8].astype(np.int32), drawn[:, [*range(8), 38, 39]].astype(np.int32)
    history[: n // 4, :3] = 0
    sex = np.where(rng.random(n) < 0.45, "female", "male")
    age = np.asarray(["(missing)", "25 or younger", "older"])[rng.choice(3, n, p=[0.05, 0.35, 0.6])]
    x = {"history": history, "seen": seen}
    return Split(x, drawn[:, [8]].astype(np.int32), _ids(name, n), groups={"sex": sex, "age": age})


WORDS = {
    "card": "card lost stolen replace pin blocked plastic",
    "transfer": "transfer money account send iban pending",
    "rate": "rate exchange currency euro dollar fee",
}
COMMON = "please my the help with is why how when new".split()
KNOWN = {word: i + 2 for i, word in enumerate([w for own in WORDS.values() for w in own.split()] + COMMON)}


def words_to_ids(texts) -> np.ndarray:
    """Return ids int32 [n, 12] of texts: 1 for an unknown word, 0 after the end."""
    rows = [[KNOWN.get(word, 1) for word in text.lower().split()][:12] or [1] for text in texts]
    return np.array([row + [0] * (12 - len(row)) for row in rows], np.int32).reshape(len(rows), 12)


@pytest.fixture(scope="session")
def text_subject() -> Subject:
    """120 test texts in three classes, of telling and common words, two groups, a model that adds up its words."""
    rng = np.random.default_rng(13)
    data = Dataset(
        name="synthetic requests",
        task="multiclass",
        modality="text",
        splits={name: _texts(rng, 120, name) for name in SIZES} | {"outside": _outside()},
        target="intent",
        classes=tuple(WORDS),
        favourable=0,
        tokens=Tokens(words_to_ids, len(KNOWN) + 2, b"{}", "words of a list"),
    )
    table = np.zeros((len(KNOWN) + 2, 3), np.float32)
    for k, own in enumerate(WORDS.values()):
        table[[KNOWN[word] for word in own.split()], k] = 1.0
    return observe(Model("words", _bag, {"table": jnp.asarray(table)}, network="a bag of words"), data)


def _outside() -> Split:
    """Return 40 texts of none of the classes: common words, unknown ones, and in every fourth two telling ones."""
    rng = np.random.default_rng(14)
    made = [
        " ".join([*rng.choice(COMMON, 3), "weather", *(["card", "lost"] if i % 4 == 0 else [])])
        for i in range(40)
    ]
    texts = np.array(made, object)
    return Split(words_to_ids(made), np.full(40, -1, np.int32), _ids("outside", 40), text=texts)


def _bag(params, x):
    """Return logits[n, 3] of ids x[n, t]: the sum of the words' own."""
    return params["table"][x].sum(axis=1)


def _texts(rng: np.random.Generator, n: int, name: str) -> Split:
    """Return n texts of two words of their class, now and then one of another, and common words between."""
    y = rng.integers(0, 3, n).astype(np.int32)
    own = [text.split() for text in WORDS.values()]
    made = []
    for k in y:
        other = own[rng.integers(3)] if rng.random() < 0.4 else COMMON
        picked = [*rng.choice(own[k], 2), *rng.choice(other, 2), *rng.choice(COMMON, 3)]
        made.append(" ".join(rng.permutation(picked)))
    writer = np.where(rng.random(n) < 0.5, "female", "male")
    texts = np.array(made, object)
    return Split(words_to_ids(made), y, _ids(name, n), groups={"sex": writer}, text=texts)


def _linear(params, x):
    """Return values[n, 1] of a linear model on x[n, d]."""
    return (x @ params["w"] + params["b"])[:, None]


def _amount(split: Split) -> np.ndarray:
    """Return y[n] of a linear truth with noise, 0.4 less for one sex; the noise belongs to the split's size."""
    noise = np.random.default_rng(len(split)).normal(size=len(split))
    return split.x[:, :4] @ [1.5, -1.0, 0.5, 0.0] - 0.4 * (split.groups["sex"] == "female") + noise


def _logistic(params, x):
    """Return logits[n, 2] of a logistic regression on x[n, d]."""
    logit = x @ params["w"] + params["b"]
    return jnp.stack([jnp.zeros_like(logit), logit], axis=1)


def _dense(params, x):
    """Return logits[n, 3] of images x[n, 8, 8, 1]."""
    return 12 * jnp.tanh(x.reshape(len(x), -1) @ params["w"] - 0.4)


def _table(rng: np.random.Generator, n: int, name: str) -> Split:
    """Return n rows whose label depends on the features and a little on sex, some ages missing."""
    x = np.clip(rng.normal(size=(n, 5)), -4, 4).astype(np.float32)
    x[:, 4] = rng.integers(0, 4, n)
    sex = np.where(rng.random(n) < 0.45, "female", "male")
    age = np.asarray(["(missing)", "25 or younger", "older"])[rng.choice(3, n, p=[0.05, 0.35, 0.6])]
    logit = x[:, :4] @ [-1.0, 1.2, -0.4, 0.0] + 0.8 * (sex == "female")
    y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.int32)
    declared = {"region": x[:, 4].astype(int).astype(str), "income": np.round(x[:, 0], 2).astype(str)}
    return Split(x, y, _ids(name, n), groups={"sex": sex, "age": age}, legitimate=declared)


def _images(rng: np.random.Generator, n: int, name: str) -> Split:
    """Return n noisy images whose class is the bright third."""
    y = rng.integers(0, 3, n).astype(np.int32)
    bright = np.minimum(np.arange(8) // 3, 2)[None, None, :] == y[:, None, None]
    x = np.clip(0.35 + 0.2 * bright + 0.45 * rng.normal(size=(n, 8, 8)), 0, 1)
    light = np.where(x.mean(axis=(1, 2)) > 0.45, "light", "dark")
    return Split(x[..., None].astype(np.float32), y, _ids(name, n), groups={"background": light})


def _ids(name: str, n: int) -> np.ndarray:
    """Return row ids that are easy to find should one leak into a record."""
    return np.asarray([f"row-{name}-{i:05d}" for i in range(n)])


def _attach(name: str, content: bytes, media_type: str, caption: str = "") -> Artifact:
    """Return the artifact that a run would have written."""
    digest = hashlib.sha256(content).hexdigest()
    return Artifact(name=name, media_type=media_type, path=f"files/{name}", sha256=digest, caption=caption)
