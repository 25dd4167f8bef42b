"""YAML text to plain values and the line of every key; aliases, repeated keys, huge text are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from audit.errors import ConfigError

LARGEST = 1_000_000  # bytes
PLAIN = {"map", "seq", "str", "int", "float", "bool", "null", "timestamp"}
Path_ = tuple[str | int, ...]


def read(path: Path) -> tuple[dict[str, Any], dict[Path_, int]]:
    """Return the mapping in the file and the line of each key by its path; ConfigError when unreadable."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist", "a YAML file", "check the path") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})", "a YAML file") from None
    if len(raw) > LARGEST:
        raise ConfigError(f"{path} has {len(raw):,} bytes", f"at most {LARGEST:,}")
    try:
        return parse(raw.decode(), str(path))
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text", "a YAML file") from None


def parse(text: str, name: str = "the text") -> tuple[dict[str, Any], dict[Path_, int]]:
    """Return the mapping in the text and the line of each key by its path."""
    try:
        for token in yaml.scan(text):
            if isinstance(token, yaml.AliasToken):
                line = token.start_mark.line + 1
                raise ConfigError(f"{name} line {line}: an alias (*{token.value})", "values written out")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[Path_, int] = {}
        value = {} if node is None else _value(node, (), lines, yaml.SafeLoader(""), name)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(
            f"{name}{where}: {getattr(error, 'problem', None) or error}", "valid YAML"
        ) from None
    except RecursionError:
        raise ConfigError(f"{name} is nested too deeply", "a configuration") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{name} holds a {type(value).__name__}", "a mapping of keys to values")
    return value, lines


def _value(node: yaml.Node, path: Path_, lines: dict[Path_, int], loader: Any, name: str) -> Any:
    """Build the value of a node, noting the line of everything in it."""
    lines[path] = node.start_mark.line + 1
    if node.tag.rpartition(":")[2] not in PLAIN:
        raise ConfigError(f"{name} line {lines[path]}: the tag {node.tag}", "plain values")
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, i), lines, loader, name) for i, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node)
    result: dict[str, Any] = {}
    for key_node, item in node.value:
        key, line = key_node.value, key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise ConfigError(f"{name} line {line}: a key that is not text", "plain keys")
        if key in result:
            raise ConfigError(f"{name} line {line}: key {key!r} stands twice", "each key once")
        result[key] = _value(item, (*path, key), lines, loader, name)
        lines[(*path, key)] = line
    return result
