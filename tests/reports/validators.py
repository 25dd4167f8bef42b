"""Every export's own field's validator: which it is, and a way to break a good file that it must see."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import jsonschema
import pyarrow.parquet as pq
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format
from huggingface_hub import ModelCard
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from lxml import etree

SCHEMAS = Path(__file__).parents[1] / "schemas"
SARIF = jsonschema.Draft4Validator(json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text()))
JUNIT = etree.XMLSchema(etree.parse(SCHEMAS / "junit-10.xsd"))


class Outside(NamedTuple):
    """A validator: its name, what it does with a file, a good file made wrong, and what it raises on that."""

    name: str
    check: Callable[[bytes], object]
    broken: Callable[[bytes], bytes]
    refusal: type[Exception] = ValueError


def sarif(data: bytes) -> None:
    """Raise unless the log keeps SARIF's schema."""
    SARIF.validate(json.loads(data))


def junit(data: bytes) -> None:
    """Raise unless the file keeps JUnit's schema."""
    JUNIT.assertValid(etree.fromstring(data))


def cyclonedx(data: bytes) -> None:
    """Raise unless the bill keeps CycloneDX 1.6, strictly."""
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode())
    if found is not None:
        raise ValueError(str(found))


def statement(data: bytes) -> test_result_pb2.TestResult:
    """Return the predicate; raise unless statement and predicate are in-toto's."""
    value = json.loads(data)
    whole = Statement.copy_from_pb(json_format.ParseDict(value, statement_pb2.Statement()))
    whole.validate()
    return json_format.ParseDict(value["predicate"], test_result_pb2.TestResult())


def model_card(data: bytes) -> ModelCard:
    """Return the card as its hub's library reads it, with its results."""
    card = ModelCard(data.decode())
    if not card.data.eval_results:
        raise ValueError("the model card has no model-index")
    return card


def table(data: bytes) -> int:
    """Return the number of rows of a CSV; raise where one is of another width."""
    rows = list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))
    if {len(row) for row in rows} != {len(rows[0])}:
        raise ValueError("rows of different widths")
    return len(rows) - 1


def _json(change: Callable[[dict], object]) -> Callable[[bytes], bytes]:
    """Return what changes a JSON file."""

    def broken(data: bytes) -> bytes:
        value = json.loads(data)
        change(value)
        return json.dumps(value).encode()

    return broken


def _of(package: str, what: str) -> str:
    """Return a validator's name with the version of its package."""
    return f"{what}, {package} {version(package)}"


OUTSIDE = {
    "sarif": Outside(
        _of("jsonschema", "OASIS' schema 2.1.0 rtm.5"),
        sarif,
        _json(lambda log: log["runs"][0]["tool"]["driver"].pop("name")),
        jsonschema.ValidationError,
    ),
    "junit": Outside(
        _of("lxml", "Jenkins' junit-10.xsd"),
        junit,
        lambda data: data.replace(b' tests="', b' tested="', 1),
        etree.DocumentInvalid,
    ),
    "model_card": Outside(
        _of("huggingface_hub", "ModelCard"),
        model_card,
        lambda data: data.replace(b"dataset:", b"datum:", 1),
    ),
    "cyclonedx": Outside(
        _of("cyclonedx-python-lib", "strict JSON validator 1.6"),
        cyclonedx,
        _json(lambda bill: bill["metadata"]["component"].pop("name")),
    ),
    "intoto": Outside(
        _of("in-toto-attestation", "Statement v1 and test-result v0.1"),
        statement,
        _json(lambda value: value["predicate"].update(passed=True)),
        json_format.ParseError,
    ),
    "csv": Outside("Python's csv, strict", table, lambda data: data + b"one,more\r\n"),
    "parquet": Outside(
        _of("pyarrow", "read_table"), lambda data: pq.read_table(io.BytesIO(data)), lambda data: data[:-5]
    ),
}
