"""By force: users' code that exits, prints a verdict, rewrites files or writes to the arrays that are judged."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hostile import Case, command, run

import audit
from audit.errors import DataError
from audit.subject import Tokens

FLAT = {"name": "force", "checks": {"accuracy.overall": {}}}
GOOD = """
def build(shape, outputs, x_train):
    import jax.numpy as jnp
    {first}
    return lambda x: x @ jnp.array([[8.0], [-8.0]])
"""
FAKE = json.dumps({"verdict": "PASS", "exit_code": 0, "name": "force", "run": "runs/fake", "decisions": []})


def policy(limit: float) -> dict[str, Any]:
    """Return a policy of one rule: accuracy of at least the limit."""
    rule = {"id": "A", "measure": "accuracy.overall.accuracy", "at_least": limit, "because": "a test"}
    return {"name": "force", "rules": [rule]}


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Return x[400, 2] and the class that the good network gives each, but for one row in ten."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(400, 2)).astype(np.float32)
    return x, ((x[:, 0] > x[:, 1]) ^ (rng.random(400) < 0.1)).astype(int)


def written(folder: Path, network: str, limit: float = 0.7, **model: Any) -> str:
    """Write a table, a network's file and a configuration into the folder; return the configuration's name."""
    x, y = rows()
    lines = ["a,b,y", *(f"{a},{b},{'yes' if c else 'no'}" for (a, b), c in zip(x.tolist(), y, strict=True))]
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    (folder / "net.py").write_text(network)
    columns = {"target": "y", "positive": "yes", "numeric": ["a", "b"]}
    data = {"source": "table", "path": "rows.csv", "columns": columns, "split": {"test": 0.5}}
    made = {**FLAT, "data": data, "model": {"network": "./net.py:build", **model}, "policy": policy(limit)}
    (folder / "audit.yaml").write_text(json.dumps(made))
    return "audit.yaml"


def by_command(network: str, *more: str, limit: float = 0.7) -> Callable[[Path], tuple[int, str]]:
    """Return an attempt on the command line."""
    return lambda folder: command(folder, "run", written(folder, network, limit), *more)


def by_file(network: str, **model: Any) -> Callable[[Path], tuple[int, str]]:
    """Return an attempt with the same files in this process."""
    return lambda folder: run(str(folder / written(folder, network, **model)), folder)


def arrays() -> audit.Dataset:
    """Return the rows as a data set."""
    x, y = rows()
    return audit.from_arrays("arrays", "binary", x, y, classes=("no", "yes"))


def by_model(
    apply: Callable[..., Any], checks: Any = None, **model: Any
) -> Callable[[Path], tuple[int, str]]:
    """Return an attempt with a model of one's own in this process."""

    def attempt(folder: Path) -> tuple[int, str]:
        config = {**FLAT, "policy": policy(0.7)}
        return run(config, folder, data=arrays(), model=audit.Model("own", apply, **model))

    return attempt


def good(params: Any, x: Any) -> Any:
    """Return the good network's outputs."""
    return x @ np.array([[8.0], [-8.0]], np.float32)


def leaves(params: Any, x: Any) -> Any:
    """Exit with 0."""
    sys.exit(0)


class Leave(SystemExit):
    """An exit of one's own."""


def raises(error: BaseException) -> Callable[..., Any]:
    """Return an apply that raises this."""

    def apply(params: Any, x: Any) -> Any:
        raise error

    return apply


def centred(params: Any, x: np.ndarray) -> np.ndarray:
    """Return the good network's outputs after centring the very rows that it is given."""
    x -= x.mean(axis=0)
    return good(params, x)


def leaves_in_a_check(folder: Path) -> tuple[int, str]:
    """Audit a model that exits where it is asked about other rows than its own."""
    known = set(rows()[0].astype(np.float32)[:, 0].tolist())

    def apply(params: Any, x: Any) -> Any:
        return good(params, x) if set(np.asarray(x)[:, 0].tolist()) <= known else sys.exit(0)

    rule = {"id": "N", "measure": "robustness.noise.noisy_accuracy", "at_least": 0.1, "because": "a test"}
    config = {**FLAT, "checks": {"robustness.noise": {}}, "policy": {"name": "force", "rules": [rule]}}
    return run(config, folder, data=arrays(), model=audit.Model("own", apply, differentiable=False))


def rewrites_the_rows(folder: Path) -> tuple[int, str]:
    """Audit a model that writes to the caller's own arrays while it is judged."""
    data = arrays()

    def apply(params: Any, x: np.ndarray) -> np.ndarray:
        data.test.y[:] = 1
        return good(params, x)

    model = audit.Model("own", apply, differentiable=False)
    return run({**FLAT, "policy": policy(0.7)}, folder, data=data, model=model)


def leaves_as_a_tokenizer(folder: Path) -> tuple[int, str]:
    """Make texts into a data set with a tokenizer that exits."""
    text = np.array(["good", "bad"] * 10)
    split = audit.Split(np.zeros((20, 2), np.int32), np.arange(20) % 2, np.arange(20), text=text)
    try:
        tokens = Tokens(lambda texts: sys.exit(0), 5)
        audit.from_splits("texts", "binary", {"test": split}, classes=("a", "b"), tokens=tokens)
    except DataError as error:
        return 2, str(error)
    return 0, ""


def moved_after(folder: Path) -> tuple[int, str]:
    """Audit rows whose own array is spoilt after the data set was made of it."""
    x, y = rows()
    split = audit.Split(x, y, np.arange(len(y)))
    data = audit.from_splits("arrays", "binary", {"test": split}, classes=("no", "yes"))
    x *= 0
    y[:] = 0
    return run({**FLAT, "policy": policy(0.7)}, folder, data=data, model=audit.Model("own", good))


def json_alone(folder: Path) -> tuple[int, str]:
    """Run a network that prints, and return the verdict that --json then says on standard output."""
    network = "print('hello')\n" + GOOD.format(first=f"print('{FAKE}')")
    code, said = command(folder, "run", written(folder, network), "--json", apart=True)
    return code, json.loads(said)["verdict"]


PLAIN = GOOD.format(first="")
PRINTED = f"import os\nprint('''{FAKE}''', flush=True)\nos._exit(0)"
KILLED = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
LAST_WORD = "import atexit, os\natexit.register(os._exit, 0)\n"
FORGED = """
import atexit, os, pathlib
def last():
    for path in pathlib.Path("runs").glob("*/*.json"):
        path.write_text(path.read_text().replace("FAIL", "PASS").replace('"exit_code": 1', '"exit_code": 0'))
atexit.register(last)
"""
CALLBACK = """
import jax, sys
def build():
    def apply(x):
        shape = jax.ShapeDtypeStruct((x.shape[0], 1), "float32")
        return jax.pure_callback(lambda x: sys.exit(0), shape, x, vmap_method="sequential")
    return apply
"""
TRAINED = """
import sys
from flax import linen
class Net(linen.Module):
    @linen.compact
    def __call__(self, x, train: bool = False):
        return sys.exit(0) if train else linen.Dense(1)(x)
def build():
    return Net()
"""
BROKEN = TRAINED.replace("sys.exit(0) if train", "len(3) if train")
APPLIED = "import sys\ndef build():\n    return lambda x: sys.exit(0)"
REWRITTEN = GOOD.format(first="[open(f, 'a').write('\\n') for f in ('rows.csv', 'audit.yaml')]")
CENTRED = GOOD.format(first="x_train -= x_train.mean(axis=0) + 1")
COPIED = GOOD.format(first="x_train = x_train.copy(); x_train -= x_train.mean(axis=0)")
HOST = {"differentiable": False}

CASES = (
    Case("command: exit in a compiled callback", 2, by_command(CALLBACK), "SystemExit: 0"),
    Case(
        "command: _exit after a printed PASS", 4, by_command(PRINTED, "--json"), "without a finished record"
    ),
    Case("command: killed", 4, by_command(KILLED), "ended by SIGKILL"),
    Case("command: _exit at exit of a failing audit", 1, by_command(LAST_WORD + PLAIN, limit=0.99), "FAIL"),
    Case("command: record rewritten at exit", 2, by_command(FORGED + PLAIN, limit=0.99), "was changed"),
    Case("command: rows and configuration rewritten", 2, by_command(REWRITTEN), "changed during the audit"),
    Case("exit at import", 2, by_file("import sys\nsys.exit(0)"), "does not import, line 2: SystemExit: 0"),
    Case("exit in build", 2, by_file(GOOD.format(first="raise SystemExit")), "raised, line 4: SystemExit"),
    Case("exit in a network's apply", 2, by_file(APPLIED), "line 3: SystemExit"),
    Case("exit in training", 2, by_file(TRAINED, train={"epochs": 1}), "SystemExit: 0"),
    Case(
        "exception in training",
        2,
        by_file(BROKEN, train={"epochs": 1}),
        "net.py:build raised, line 7: TypeError",
    ),
    Case("exit when traced", 2, by_model(leaves), "model own raised SystemExit: 0"),
    Case("exit in a NumPy model", 2, by_model(leaves, **HOST), "model own raised SystemExit: 0"),
    Case("exit of one's own kind", 2, by_model(raises(Leave(0))), "raised Leave: 0"),
    Case("GeneratorExit", 2, by_model(raises(GeneratorExit())), "raised GeneratorExit"),
    Case("BaseException", 2, by_model(raises(BaseException("quite"))), "raised BaseException: quite"),
    Case("exit in a check", 3, leaves_in_a_check, "SystemExit"),
    Case("exit in a tokenizer", 2, leaves_as_a_tokenizer, "tokens.encode raised SystemExit: 0"),
    Case("training rows written to in build", 2, by_file(CENTRED), "read-only"),
    Case("rows written to by a NumPy model", 2, by_model(centred, **HOST), "read-only"),
    Case("the caller's rows written to", 2, rewrites_the_rows, "the data changed during the audit (test)"),
)
HONEST = (
    Case("command: a network that prints", 0, json_alone, "PASS"),
    Case("a network of one's own", 0, by_file(PLAIN)),
    Case("a network that centres a copy", 0, by_file(COPIED)),
    Case("a NumPy model that works on a copy", 0, by_model(lambda params, x: good(params, x - 0), **HOST)),
    Case("arrays spoilt after they were handed over", 0, moved_after),
)
