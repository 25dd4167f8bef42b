"""A pydantic error as one line: the key, its line in the file, what was given, the nearest known key."""

from __future__ import annotations

import types
import typing
from typing import Any

from pydantic import BaseModel, ValidationError

from audit.errors import ConfigError
from audit.registry import nearest

STARTS = ("Input should be ", "Value error, ")


def validated(
    kind: Any, value: dict[str, Any], lines: dict[Any, int], name: str, at: tuple[Any, ...] = ()
) -> Any:
    """Return the valid object; ConfigError with the key, its line and the nearest known key."""
    try:
        return kind.model_validate({k: v for k, v in value.items() if k != "$schema"})
    except ValidationError as error:
        raise explain(error, kind, lines, name, at) from None


def explain(
    error: ValidationError, kind: Any, lines: dict[Any, int], name: str, at: tuple[Any, ...]
) -> ConfigError:
    """Return a ConfigError for the first problem of a ValidationError, counting the others."""
    problems = error.errors()
    first = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    path, fields = _walk(kind, first["loc"])
    line = _line(lines, (*at, *path))
    where = f"{name}{f' line {line}' if line else ''}: {'.'.join(map(str, (*at, *path))) or 'config'}"
    others = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        return ConfigError(f"{where} is not a known key{others}", nearest(str(path[-1]), fields))
    if first["type"] == "missing":
        return ConfigError(f"{where} is missing{others}", "a value", "add it")
    context = first.get("ctx", {})
    if first["type"] == "union_tag_invalid":
        return ConfigError(
            f"{where}.{context['discriminator'].strip(chr(39))}={context['tag']!r}",
            f"one of {context['expected_tags']}",
        )
    if not first["msg"].startswith(STARTS):
        return ConfigError(f"{where}: {first['msg'].rstrip('.')}{others}")
    given = repr(first.get("input"))
    given = given if len(given) <= 60 else given[:57] + "..."
    return ConfigError(f"{where}={given}{others}", _lower(first["msg"]))


def _line(lines: dict[Any, int], path: tuple[Any, ...]) -> int | None:
    """Return the line of the path or of its nearest ancestor."""
    while path not in lines and path:
        path = path[:-1]
    return lines.get(path)


def _lower(text: str) -> str:
    """Return pydantic's sentence fit to follow 'expected'."""
    for start in STARTS:
        text = text.removeprefix(start)
    return text


def _walk(kind: Any, loc: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[str]]:
    """Return the location without pydantic's union tags, and the known keys at its parent."""
    path: list[Any] = []
    fields: list[str] = []
    for step in loc:
        model = _model(kind, step)
        if isinstance(model, str):  # a union's tag: not a key of the file
            kind = _tagged(kind, model)
            continue
        path.append(step)
        fields = list(model.model_fields) if model else []
        if model and step in model.model_fields:
            kind = model.model_fields[step].annotation
        else:
            inside = [arg for arg in typing.get_args(kind) if arg is not Ellipsis]
            kind = inside[-1] if inside else None
    return tuple(path), fields


def _parts(kind: Any) -> list[Any]:
    """Return the classes an annotation may be."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [leaf for arg in typing.get_args(kind) for leaf in _parts(arg)]
    if typing.get_origin(kind) is typing.Annotated:
        return _parts(typing.get_args(kind)[0])
    return [kind]


def _model(kind: Any, step: Any) -> Any:
    """Return the model class that the step is a key of, the step itself when it is a union's tag, or None."""
    models = [k for k in _parts(kind) if isinstance(k, type) and issubclass(k, BaseModel)]
    if len(_parts(kind)) > 1 and isinstance(step, str) and _tagged(kind, step):
        return step
    return models[0] if models else None


def _tagged(kind: Any, tag: str) -> Any:
    """Return the member of a union that a tag names: by a Literal field, or by the class's own name."""
    for member in _parts(kind):
        if getattr(member, "__name__", None) == tag:
            return member
        for field in getattr(member, "model_fields", {}).values():
            if typing.get_origin(field.annotation) is typing.Literal and tag in typing.get_args(
                field.annotation
            ):
                return member
    return None
