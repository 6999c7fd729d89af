"""The policy file: YAML → a checked `Policy`, or every problem in it by file, line and key; and its JSON Schema.

Synth and the operator's command line read it. No CDK here.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from infra.place_checks import misplaced, without_organization
from infra.policy_checks import LONGEST_GRACE_DAYS, contradictions
from profiling_groups.policy import Functions, GroupSettings, GroupTags, Lifecycle, Match, Override, Policy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from infra.policy_checks import Key

# These take one glob in place of a list of one.
_GLOBS_BY_TAG: Final = ("require", "opt_out")
_QUOTED: Final = 80
"""Characters of a wrong value that a message repeats."""
_FORM: Final = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something wrong with a policy file.

    Attributes:
        file: The file as it was named.
        line: Line of it, from 1 on; None where it is not about one.
        key: The key at fault, `functions.names.include.0` for the first of a list; empty for the file as a whole.
        message: What is wrong with it, and what is allowed.
    """

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        text = ": ".join(part for part in (place, self.key, self.message) if part)
        # A key may hold anything, such as what moves a terminal's cursor.
        return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


class PolicyFileError(ValueError):
    """A policy file does not hold a policy; the text has a line for each problem.

    Attributes:
        problems: What is wrong with it.
    """

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class _Override:
    """What is otherwise in some places. Every key that is named replaces that key; the others stay as they are."""

    __pydantic_config__: ClassVar[dict[str, object]] = Policy.__pydantic_config__

    match: Match
    """In which places: all that is named here must match."""
    functions: Functions = field(default_factory=Functions)
    """Which functions get a profiling group there."""
    group: GroupSettings = field(default_factory=GroupSettings)
    """What the group is like there."""
    tags: GroupTags = field(default_factory=GroupTags)
    """The group's tags there."""
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    """What happens to it afterwards there."""


def read(path: Path, *, organization: bool = True) -> Policy:
    """Read a policy file. What it leaves out has its default; an empty file is the policy that ships.

    Args:
        path: Where it is.
        organization: Whether it is for an organization, or may be; otherwise it must not speak of organizational units.

    Raises:
        PolicyFileError: It cannot be read, is no YAML, or holds something that is no policy.
    """
    document = _document(path)
    policy = Policy()
    try:
        found = list(_strangers(document))
        # By way of JSON, in which pydantic tells what is no list from what is no tuple.
        plain = "" if found else json.dumps(_plain(document), ensure_ascii=False)
        plain.encode()
    except (ValueError, RecursionError) as error:
        raise PolicyFileError(Problem(file=str(path), line=None, key="", message=f"is no policy: {error}")) from error
    if not found:
        policy, found = _typed(plain)
    if not found:
        found = [*contradictions(policy), *misplaced(policy)]
    if not (found or organization):
        found = list(without_organization(policy))
    if found:
        problems = [
            Problem(file=str(path), line=_line(document, key), key=_text(key), message=said) for key, said in found
        ]
        raise PolicyFileError(*sorted(problems, key=lambda problem: problem.line or 0))
    return policy


def _typed(plain: str) -> tuple[Policy, list[tuple[Key, str]]]:
    """Return the policy that a document in JSON holds, or what is wrong with its keys and types."""
    try:
        document = json.loads(plain)
    except RecursionError:
        return Policy(), [((), "is nested too deeply")]
    # Overrides are checked by the types of what they change, but only what they name is kept.
    written = document.pop("overrides", []) if isinstance(document, dict) else []
    found: list[tuple[Key, str]] = []
    policy = Policy()
    overrides: tuple[_Override, ...] = ()
    try:
        policy = _policy().validate_json(json.dumps(document))
    except ValidationError as error:
        found += [(each["loc"], _said(each, each["loc"])) for each in error.errors()]
    try:
        overrides = _overrides().validate_json(json.dumps(written))
    except ValidationError as error:
        keys = [(each, ("overrides", *each["loc"])) for each in error.errors()]
        found += [(key, _said(each, key)) for each, key in keys]
    if found:
        return policy, found
    for number, override in enumerate(written):
        for name, globs in override["match"].items():
            if not globs:
                key = ("overrides", number, "match", name)
                found.append((key, "is empty, so that nothing matches; leave the key out if it does not matter"))
    kept = [
        Override(match=each.match, changes={name: changes for name, changes in raw.items() if name != "match"})
        for each, raw in zip(overrides, written, strict=True)
    ]
    return replace(policy, overrides=tuple(kept)), found


# Both take some milliseconds to make, which who only asks for help need not wait for.
@cache
def _policy() -> TypeAdapter[Policy]:
    return TypeAdapter(Policy)


@cache
def _overrides() -> TypeAdapter[tuple[_Override, ...]]:
    return TypeAdapter(tuple[_Override, ...])


def _document(path: Path) -> Any:  # noqa: ANN401 - whatever YAML may hold
    """Read the YAML, which knows its lines.

    Raises:
        PolicyFileError: It cannot be read, or is no YAML.
    """
    file = str(path)
    try:
        return YAML().load(path.read_bytes())
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise PolicyFileError(Problem(file=file, line=None, key="", message=message)) from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        message = " ".join(str(part) for part in (error.context, error.problem) if part)
        raise PolicyFileError(Problem(file=file, line=line, key="", message=f"is no YAML: {message}")) from error
    except Exception as error:  # the parser stumbles in ways of its own, as over `!!int 0x` or an empty `!!set`
        raise PolicyFileError(Problem(file=file, line=None, key="", message=f"is no YAML: {error}")) from error


def _strangers(part: Any, key: Key = ()) -> Iterator[tuple[Key, str]]:  # noqa: ANN401 - whatever YAML may hold
    """Yield what YAML makes of text without quotes that is nothing JSON knows: keys that are no text, times, bytes."""
    match part:
        case dict():
            for name, value in part.items():
                if isinstance(name, str):
                    yield from _strangers(value, (*key, name))
                else:
                    yield (*key, name), "is a key that is no text; put it in quotes"
        case list():
            for number, value in enumerate(part):
                yield from _strangers(value, (*key, number))
        case bool() | float() if key == ("version",):
            yield key, f"must be 1, not {json.dumps(part)}"
        case str() | int() | float() | None:
            pass
        case _:
            yield key, f"must be text, a number or a truth value, not {type(part).__name__}; put it in quotes"


def compiled(policy: Policy) -> str:
    """Return the policy as the bundle carries it: JSON with every key, for `profiling_groups.policy.load`."""
    document = asdict(policy)
    document["overrides"] = [
        {"match": {name: globs for name, globs in asdict(each.match).items() if globs}, **each.changes}
        for each in policy.overrides
    ]
    return json.dumps(document, indent=2) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a policy file, for editors; `policy.schema.json` holds it."""
    found = _policy().json_schema()
    globs = {"type": "array", "items": {"type": "string"}}
    for key in _GLOBS_BY_TAG:
        found["$defs"]["FunctionTags"]["properties"][key]["additionalProperties"] = {
            "anyOf": [{"type": "string"}, globs]
        }
    override = TypeAdapter(_Override).json_schema()
    del override["$defs"]
    override["minProperties"] = 1 + len(override["required"])
    found["$defs"]["Override"] = override
    places = found["$defs"]["Match"]
    places["minProperties"] = 1
    for place in places["properties"].values():
        del place["default"]
        place["minItems"] = 1
    lifecycle = found["$defs"]["Lifecycle"]["properties"]
    lifecycle["orphan_grace_days"] |= {"minimum": 0, "maximum": LONGEST_GRACE_DAYS}
    lifecycle["max_deletions"] |= {"minimum": 0}
    # An empty file is a policy, too.
    found["type"] = [found["type"], "null"]
    return {"$schema": _FORM, **_tidy(found)}


def _tidy(part: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out
    """Return the schema without the titles that pydantic makes of the keys, and with its descriptions in one line."""
    match part:
        case dict():
            kept = {key: value for key, value in part.items() if key != "title"}
            return {key: " ".join(text.split()) if key == "description" else _tidy(text) for key, text in kept.items()}
        case list():
            return [_tidy(each) for each in part]
    return part


def _plain(document: Any) -> Any:  # noqa: ANN401 - whatever YAML may hold
    """Return the document with a list wherever one glob stands for a list of one."""
    if document is None:
        return {}
    match document:
        case {"functions": {"tags": dict() as tags} as functions}:
            listed = {
                key: {tag: [value] if isinstance(value, str) else value for tag, value in globs.items()}
                for key, globs in tags.items()
                if key in _GLOBS_BY_TAG and isinstance(globs, dict)
            }
            document = {**document, "functions": {**functions, "tags": {**tags, **listed}}}
    match document:
        case {"overrides": list() as overrides}:
            document = {
                **document,
                "overrides": [_plain(each) if isinstance(each, dict) else each for each in overrides],
            }
    return document


def _said(  # noqa: PLR0911 - a line for each kind of error
    error: ErrorDetails, key: Key
) -> str:
    """Say what pydantic found at a key of the file, in the words of somebody who writes YAML."""
    if error["type"] == "json_invalid":
        return "is nested too deeply"
    shown = json.dumps(error["input"], ensure_ascii=False)
    shown = shown if len(shown) <= _QUOTED else f"{shown[:_QUOTED]}…"
    match error["type"]:
        case "unexpected_keyword_argument":
            allowed = _keys_beside(key)
            meant = get_close_matches(str(key[-1]), allowed, n=1)
            hint = f"did you mean {meant[0]}? " if meant else ""
            return f"is not known; {hint}allowed: {', '.join(allowed)}"
        case "dataclass_type" | "dict_type":
            return f"must be a mapping of keys to values, not {shown}; leave the key out for its default"
        case "missing":
            return f"is missing from {shown}"
        case "tuple_type":
            kind = "a glob or a list of globs" if set(_GLOBS_BY_TAG) & set(key) else "a list"
            return f"must be {kind}, not {shown}"
        case "string_type":
            quotes = f'; in quotes it is: "{shown}"' if isinstance(error["input"], bool | int | float) else ""
            return f"must be text, not {shown}{quotes}"
    return f"must be {error['msg'].removeprefix('Input should be ')}, not {shown}"


def _keys_beside(key: Key) -> list[str]:
    section: object = Policy()
    above = list(key[:-1])
    match above:
        case ["overrides", int(), *rest]:
            section, above = _Override(match=Match()), rest
    for part in above:
        section = getattr(section, str(part))
    return [field.name for field in fields(section)] if is_dataclass(section) else []


def _line(document: Any, key: Key) -> int | None:  # noqa: ANN401 - whatever YAML may hold
    """Return the line of a key, or of the nearest one above it that stands in the file."""
    line = None
    for part in key:
        try:
            where = document.lc
            line = (where.key(part) if isinstance(document, dict) else where.item(part))[0] + 1
            document = document[part]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line


def _text(key: Key) -> str:
    return ".".join(map(str, key))


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))  # noqa: T201 - as `make schema` asks
