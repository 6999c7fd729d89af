"""Commands as `profiling-groups doctor` prints them, carried out: those of the AWS CLI by way of its own API models.

As a program (``python -m tests.e2e.aws_cli``) it stands in for the CLI in a documented script. The CLI itself cannot be
installed beside the SDK that is locked. Its options are the parameters of an operation in other letters, so that a
command it would not take fails here, too: by name, and by botocore's validation.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

import boto3
import jmespath  # type: ignore[import-untyped]  # it brings no types
from botocore import xform_name
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from botocore.model import Shape

_REFUSED = 254
"""The CLI's exit status after an answer that is an error."""


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


def _call(client: Callable[..., Any], service: str, operation: str, options: dict[str, list[str]]) -> Any:  # noqa: ANN401 - JSON
    (region,) = options.pop("region", [None])
    api = client(service, region_name=region) if region else client(service)
    method = operation.replace("-", "_")
    shape = api.meta.service_model.operation_model(api.meta.method_to_api_mapping[method]).input_shape
    members = {xform_name(name, "-"): name for name in shape.members}
    given = {members[name]: _value(shape.members[members[name]], words) for name, words in options.items()}
    return getattr(api, method)(**given)


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


def main(words: Sequence[str]) -> int:
    """Be the AWS CLI for one command, as far as scripts need it: `--query`, and `--output text`."""
    _, _, *options = words
    given = dict(_options(options))
    (query,), output = given.pop("query", ["@"]), given.pop("output", ["json"])
    # The CLI takes this variable, too; boto3 alone does not.
    session = boto3.session.Session(region_name=os.environ["AWS_REGION"])
    try:
        answer = _call(session.client, words[0], words[1], given)
    except ClientError as error:
        sys.stderr.write(f"{error}\n")
        return _REFUSED
    found = jmespath.search(query, answer)
    lines = [_text(each) for each in found] if isinstance(found, list) else [_text(found)]
    sys.stdout.writelines(f"{line}\n" for line in (lines if output == ["text"] else [json.dumps(found)]))
    return 0


def _text(value: object) -> str:
    return "\t".join(map(str, value)) if isinstance(value, list) else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
