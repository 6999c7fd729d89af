"""The policy file: YAML → a checked `Policy`, or every problem in it by file, line and key; and its JSON Schema.

Synth and the operator's command line read it. No CDK here.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields, is_dataclass
from difflib import get_close_matches
from string import Formatter
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from profiling_groups.decision import PROFILER_REGIONS
from profiling_groups.naming import FORBIDDEN, PLACEHOLDERS
from profiling_groups.policy import OWNER_TAG, Globs, Policy, WhenDeleted
from profiling_groups.tags import MAX_TAGS, objection

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails

Key = tuple[str | int, ...]
"""A place in the file: keys, and indices in lists."""

LONGEST_TEMPLATE: Final = 200
"""Characters of a name template, account and region filled in. A name of 255 that has to be cut has room for it and the
digest."""
LONGEST_GRACE_DAYS: Final = 3650
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
        return ": ".join(part for part in (place, self.key, self.message) if part)


class PolicyFileError(ValueError):
    """A policy file does not hold a policy; the text has a line for each problem.

    Attributes:
        problems: What is wrong with it.
    """

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def read(path: Path) -> Policy:
    """Read a policy file. What it leaves out has its default; an empty file is the policy that ships.

    Raises:
        PolicyFileError: It cannot be read, is no YAML, or holds something that is no policy.
    """
    file = str(path)
    try:
        document = YAML().load(path.read_bytes())
        # By way of JSON, in which pydantic tells what is no list from what is no tuple.
        plain = json.dumps(_plain(document), default=str, ensure_ascii=False).encode()
    except OSError as error:
        raise PolicyFileError(
            Problem(file=file, line=None, key="", message=f"cannot be read: {error.strerror}")
        ) from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        message = " ".join(str(part) for part in (error.context, error.problem) if part)
        raise PolicyFileError(Problem(file=file, line=line, key="", message=f"is no YAML: {message}")) from error
    except Exception as error:  # the parser stumbles in ways of its own: a list as a key, `!!int 0x`, an empty `!!set`
        raise PolicyFileError(Problem(file=file, line=None, key="", message=f"is no YAML: {error}")) from error
    try:
        policy = TypeAdapter(Policy).validate_json(plain)
    except ValidationError as error:
        found = [(error["loc"], _said(error)) for error in error.errors()]
    else:
        found = list(_contradictions(policy))
    if found:
        problems = [Problem(file=file, line=_line(document, key), key=_text(key), message=said) for key, said in found]
        raise PolicyFileError(*sorted(problems, key=lambda problem: problem.line or 0))
    return policy


def compiled(policy: Policy) -> str:
    """Return the policy as the bundle carries it: JSON with every key, for `profiling_groups.policy.load`."""
    return json.dumps(asdict(policy), indent=2) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a policy file, for editors; `policy.schema.json` holds it."""
    found = TypeAdapter(Policy).json_schema()
    globs = {"type": "array", "items": {"type": "string"}}
    for key in _GLOBS_BY_TAG:
        found["$defs"]["FunctionTags"]["properties"][key]["additionalProperties"] = {
            "anyOf": [{"type": "string"}, globs]
        }
    lifecycle = found["$defs"]["Lifecycle"]["properties"]
    lifecycle["orphan_grace_days"] |= {"minimum": 0, "maximum": LONGEST_GRACE_DAYS}
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
    match document:
        case None:
            return {}
        case {"functions": {"tags": dict() as tags} as functions}:
            listed = {
                key: {tag: [value] if isinstance(value, str) else value for tag, value in globs.items()}
                for key, globs in tags.items()
                if key in _GLOBS_BY_TAG and isinstance(globs, dict)
            }
            return {**document, "functions": {**functions, "tags": {**tags, **listed}}}
    return document


def _said(error: ErrorDetails) -> str:
    """Say what pydantic found, in the words of somebody who writes YAML."""
    shown = json.dumps(error["input"], ensure_ascii=False)
    shown = shown if len(shown) <= _QUOTED else f"{shown[:_QUOTED]}…"
    match error["type"]:
        case "unexpected_keyword_argument":
            allowed = _keys_beside(error["loc"])
            meant = get_close_matches(str(error["loc"][-1]), allowed, n=1)
            hint = f"did you mean {meant[0]}? " if meant else ""
            return f"is not known; {hint}allowed: {', '.join(allowed)}"
        case "dataclass_type" | "dict_type":
            return f"must be a mapping of keys to values, not {shown}; leave the key out for its default"
        case "tuple_type":
            kind = "a glob or a list of globs" if set(_GLOBS_BY_TAG) & set(error["loc"]) else "a list"
            return f"must be {kind}, not {shown}"
        case "string_type":
            quotes = f'; in quotes it is: "{shown}"' if isinstance(error["input"], bool | int | float) else ""
            return f"must be text, not {shown}{quotes}"
    return f"must be {error['msg'].removeprefix('Input should be ')}, not {shown}"


def _keys_beside(key: Key) -> list[str]:
    section: object = Policy()
    for part in key[:-1]:
        section = getattr(section, str(part))
    return [field.name for field in fields(section)] if is_dataclass(section) else []


def _contradictions(policy: Policy) -> Iterator[tuple[Key, str]]:
    """Yield what is wrong with values that are of the right type, each with its key."""
    globs: Mapping[Key, Globs] = {
        ("functions", "names"): policy.functions.names,
        ("functions", "runtimes"): policy.functions.runtimes,
        ("tags", "inherit"): policy.tags.inherit,
    }
    for key, each in globs.items():
        yield from _bad_globs((*key, "include"), each.include)
        yield from _bad_globs((*key, "exclude"), each.exclude)
    for key, by_tag in (
        (("functions", "tags", "require"), policy.functions.tags.require),
        (("functions", "tags", "opt_out"), policy.functions.tags.opt_out),
    ):
        for tag, values in by_tag.items():
            yield from _bad_globs((*key, tag), values)
    if problem := _bad_template(policy.group.name):
        yield ("group", "name"), problem
    for tag, value in policy.tags.add.items():
        if problem := objection(tag, value):
            yield ("tags", "add", tag), f"cannot be a group's tag: {problem}"
    if len(policy.tags.add) > MAX_TAGS:
        yield ("tags", "add"), f"must be at most {MAX_TAGS} tags, not {len(policy.tags.add)}"
    days = policy.lifecycle.orphan_grace_days
    if not 0 <= days <= LONGEST_GRACE_DAYS:
        yield ("lifecycle", "orphan_grace_days"), f"must be 0 to {LONGEST_GRACE_DAYS}, not {days}"
    if policy.lifecycle.when_function_is_deleted is WhenDeleted.DELETE and OWNER_TAG not in policy.tags.add:
        yield (
            ("lifecycle", "when_function_is_deleted"),
            f"is delete, which needs a tag {OWNER_TAG} in tags.add: only a group that carries it is ever deleted",
        )


def _bad_globs(key: Key, globs: tuple[str, ...]) -> Iterator[tuple[Key, str]]:
    for number, glob in enumerate(globs):
        if problem := _bad_glob(glob):
            yield (*key, number), f"is a bad glob, {glob!a}: {problem}; allowed: *, ?, [abc], [a-z], [!abc]"


def _bad_glob(glob: str) -> str | None:
    if not glob:
        return "it is empty"
    # As fnmatch takes it, a ] that comes first in a set closes nothing.
    sets = re.findall(r"\[!?+(\]?+[^\]]*)\]", glob)
    if "[" in re.sub(r"\[!?+\]?+[^\]]*\]", "", glob):
        return "a [ is not closed"
    for body in sets:
        for low, high in re.findall(r"(.)-(.)", body):
            if low > high:
                return f"there is nothing from {low} to {high}"
    if "{" in glob or "}" in glob:
        return "braces are no part of a glob, so list several globs instead"
    return None


def _bad_template(template: str) -> str | None:
    allowed = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS) + ", {tag:KEY}"
    length = len(template.replace("{account}", "0" * 12).replace("{region}", max(PROFILER_REGIONS, key=len)))
    if length > LONGEST_TEMPLATE:
        return f"must have at most {LONGEST_TEMPLATE} characters with account and region filled in, not {length}"
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        return f"is no template, {template!a}: {error}; allowed placeholders: {allowed}"
    for literal, field, key, conversion in parts:
        if found := FORBIDDEN.search(literal):
            return (
                f"has {found[0]!a}: a group's name has only letters, digits, - and _; allowed placeholders: {allowed}"
            )
        if field is None:
            continue
        written = "{" + field + (f"!{conversion}" if conversion else "") + (f":{key}" if key else "") + "}"
        is_tag = field == "tag" and bool(key) and objection(f"-{key}"[-128:], "") is None
        if conversion or not (is_tag or (field in PLACEHOLDERS and not key)):
            return f"has the unknown placeholder {written}; allowed: {allowed}"
    if "function_name" not in (field for _, field, _, _ in parts):
        return f"must have {{function_name}}, not {template!a}; allowed besides: {allowed}"
    return None


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
