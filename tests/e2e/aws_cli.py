"""Commands as `profiling-groups doctor` prints them, carried out: those of the AWS CLI by way of its own API models.

The CLI itself cannot be installed beside the SDK that is locked. Its options are the parameters of an operation in
other letters, so that a command it would not take fails here, too: by name, and by botocore's validation.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from botocore import xform_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from botocore.model import Shape


def run(line: str, *, client: Callable[..., Any], other: Callable[[Sequence[str]], object]) -> None:
    """Carry out a line, command by command.

    Args:
        line: As a shell takes it.
        client: Makes a client of a service, in a region if one is named.
        other: Carries out what is no command of the AWS CLI.
    """
    for command in _commands(shlex.split(line)):
        if command[0] != "aws":
            other(command)
            continue
        _, service, operation, *options = command
        _call(client, service, operation, dict(_options(options)))


def _call(client: Callable[..., Any], service: str, operation: str, options: dict[str, list[str]]) -> None:
    (region,) = options.pop("region", [None])
    api = client(service, region_name=region) if region else client(service)
    method = operation.replace("-", "_")
    shape = api.meta.service_model.operation_model(api.meta.method_to_api_mapping[method]).input_shape
    members = {xform_name(name, "-"): name for name in shape.members}
    given = {members[name]: _value(shape.members[members[name]], words) for name, words in options.items()}
    getattr(api, method)(**given)


def _commands(words: Sequence[str]) -> Iterator[list[str]]:
    command: list[str] = []
    for word in words:
        if word == "&&":
            yield command
            command = []
        else:
            command.append(word)
    yield command


def _options(words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    name, values = "", list[str]()
    for word in words:
        if word.startswith("--"):
            if name:
                yield name, values
            name, values = word.removeprefix("--"), []
        else:
            values.append(word)
    if name:
        yield name, values


def _value(shape: Shape, words: list[str]) -> object:
    """Return an option's value, in the shorthand or as JSON."""
    match shape.type_name:
        case "boolean":
            assert words == []
            return True
        case "integer" | "long":
            return int(*words)
        case "double" | "float":
            return float(*words)
        case "list" if not words[0].startswith("["):
            return words
        case "list" | "map" | "structure":
            (text,) = words
            return json.loads(text)
    (text,) = words
    return text
