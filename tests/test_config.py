"""Configurations and policies: what is refused, and that the one line names key, line and nearest key."""

import textwrap

import pytest

from audit import yaml_text
from audit.config import load, schema
from audit.errors import ConfigError

GOOD = """
version: 1
name: example
data:
  source: embedded
  dataset: diabetes
model:
  network: mlp
checks:
  accuracy.overall: {}
policy:
  name: own
  rules:
    - {id: A1, measure: accuracy.overall.accuracy, at_least: 0.5, because: a test}
"""


@pytest.fixture
def write(tmp_path):
    def put(text, name="config.yaml"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return path

    return put


def test_a_good_configuration_loads(write):
    loaded = load(write(GOOD))
    assert loaded.config.name == "example"
    assert loaded.policy.rules[0].limit == 0.5
    assert list(loaded.options) == ["accuracy.overall"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("name: example", "nam: example", ["line 3", "nam is not a known key", "perhaps 'name'"]),
        ("network: mlp", "netwrk: mlp", ["line 8", "model.netwrk", "perhaps 'network'"]),
        ("dataset: diabetes", "dataset: diabetis", ["data.dataset='diabetis'", "'diabetes'"]),
        ("source: embedded", "source: embeded", ["data.source='embeded'", "'embedded'"]),
        ("accuracy.overall: {}", "accuracy.overal: {}", ["no check 'accuracy.overal'", "'accuracy.overall'"]),
        ("accuracy.overall: {}", "accuracy.overall: {zzz: 1}", ["line 10", "checks.accuracy.overall.zzz"]),
        ("at_least: 0.5", "at_leest: 0.5", ["policy.rules.0.at_leest", "perhaps 'at_least'"]),
        ("at_least: 0.5,", "", ["exactly one of at_least and at_most"]),
        ("version: 1", "version: 2", ["version=2", "1"]),
        ("name: example", "name: [a, b]", ["name=['a', 'b']", "valid string"]),
        ("  accuracy.overall: {}", "  {}", ["checks"]),
    ],
)
def test_a_bad_key_or_value_is_one_line(write, old, new, says):
    assert old in GOOD
    with pytest.raises(ConfigError) as error:
        load(write(GOOD.replace(old, new)))
    message = str(error.value)
    assert "\n" not in message
    for part in says:
        assert part in message


def test_overrides_reach_dotted_check_names_and_parse_yaml(write):
    loaded = load(write(GOOD), ("seed=7", "model.train.epochs=3", "data.split.test=0.5"))
    assert loaded.config.seed == 7
    assert loaded.config.model.train.epochs == 3
    assert loaded.config.data.split.test == 0.5
    with pytest.raises(ConfigError, match="checks.accuracy.overall.zzz"):
        load(write(GOOD), ("checks.accuracy.overall.zzz=1",))


@pytest.mark.parametrize("text", ["seed", "=1", "sed=1"])
def test_a_bad_override_is_refused(write, text):
    with pytest.raises(ConfigError):
        load(write(GOOD), (text,))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &x [1]\nb: *x\n", "alias"),
        ("a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", "alias"),
        ("a: 1\na: 2\n", "stands twice"),
        ("- 1\n- 2\n", "list"),
        ("a: [1\n", "line"),
        ("[" * 3000, "nested too deeply"),
        ("? [a]\n: 1\n", "key that is not text"),
        ("a: !!python/object/apply:os.system ['true']\n", "python/object"),
        ("a: !!binary aGk=\n", "binary"),
    ],
)
def test_yaml_that_is_refused(text, says):
    with pytest.raises(ConfigError, match=says):
        yaml_text.parse(text)


def test_a_huge_file_and_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "big.yaml").write_text("a: " + "x" * 1_100_000)
    with pytest.raises(ConfigError, match="bytes"):
        yaml_text.read(tmp_path / "big.yaml")
    (tmp_path / "raw.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        yaml_text.read(tmp_path / "raw.yaml")


def test_a_missing_configuration_names_the_nearest():
    with pytest.raises(ConfigError, match="perhaps 'quickstart'"):
        load("quickstrt")


def test_paths_are_relative_to_the_configuration(write, monkeypatch, tmp_path):
    loaded = load(write(GOOD))
    assert loaded.path("x/y.csv") == tmp_path / "x/y.csv"
    monkeypatch.setenv("SOME_FOLDER", "/data")
    assert str(loaded.path("${SOME_FOLDER}/y.csv")) == "/data/y.csv"
    with pytest.raises(ConfigError, match="export NOT_SET_ANYWHERE=FOLDER"):
        loaded.path("${NOT_SET_ANYWHERE}/y.csv")


def test_policies_compose_and_cycles_are_refused(write):
    write("name: base\nrules:\n- {id: A1, measure: accuracy.overall.auc, at_least: 0.6, because: base}\n"
          "- {id: A2, measure: accuracy.overall.auc, at_least: 0.7, because: base}\n", "base.yaml")  # fmt: skip
    write("name: top\ninclude: base.yaml\nrules:\n"
          "- {id: A2, measure: accuracy.overall.auc, at_least: 0.9, because: top}\n", "top.yaml")  # fmt: skip
    start = GOOD[: GOOD.index("policy:")]
    rules = {rule.id: rule.limit for rule in load(write(start + "policy: top.yaml\n")).policy.rules}
    assert rules == {"A1": 0.6, "A2": 0.9}
    write("name: strict\nalpha: 0.01\nminimum_group_share: 0.02\n", "strict.yaml")
    write("name: top\ninclude: strict.yaml\nalpha: 0.1\n", "top.yaml")
    policy = load(write(start + "policy: top.yaml\n")).policy
    assert (policy.alpha, policy.minimum_group_share) == (0.1, 0.02)
    write("name: a\ninclude: b.yaml\n", "a.yaml")
    write("name: b\ninclude: a.yaml\n", "b.yaml")
    with pytest.raises(ConfigError, match="includes itself"):
        load(write(start + "policy: a.yaml\n"))
    with pytest.raises(ConfigError, match="perhaps 'four_fifths'"):
        load(write(start + "policy: four_fifth\n"))


def test_every_shipped_configuration_is_valid_and_matches_the_schema():
    import jsonschema
    import yaml

    from audit.locate import shipped

    validator = jsonschema.Draft202012Validator(schema())
    files = sorted(shipped().glob("*.yaml"))
    assert {"quickstart", "digits", "adult", "fashion_mnist"} <= {file.stem for file in files}
    for file in files:
        load(file)
        validator.validate(yaml.safe_load(file.read_text()))
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({"version": 1, "name": "x", "checks": {"nothing.here": {}}})
