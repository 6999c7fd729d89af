"""Names of profiling groups: total and injective by any template, and the agent's own wherever that is possible."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from profiling_groups.functions import FunctionArn, LambdaFunction
from profiling_groups.naming import agents_name, group_name
from profiling_groups.policy import GroupSettings

DEFAULT = GroupSettings().name
VALID = re.compile(r"[A-Za-z0-9_-]{1,255}")
ordinary = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
names = st.text(max_size=400) | ordinary | st.text(alphabet="ab-_", max_size=6)
literals = st.text(alphabet="ab-_", max_size=3)
placeholders = st.sampled_from(["{function_name}", "{account}", "{region}", "{runtime}", "{tag:team}", "{tag:env}"])


@st.composite
def templates(draw: st.DrawFn) -> str:
    """Any template with `{function_name}` somewhere."""
    parts = draw(st.lists(st.one_of(literals, placeholders), max_size=6))
    parts.insert(draw(st.integers(0, len(parts))), "{function_name}")
    return "".join(parts)


@st.composite
def functions(draw: st.DrawFn) -> LambdaFunction:
    """Any function of one account and region."""
    values = st.text(alphabet="ab-_", max_size=4) | st.text(max_size=3)
    return function(
        draw(names),
        runtime=draw(st.sampled_from(["python3.13", "java21", None]) | values),
        tags=draw(st.dictionaries(st.sampled_from(["team", "env"]), values)),
    )


def function(name: str, *, runtime: str | None = "python3.13", tags: dict[str, str] | None = None) -> LambdaFunction:
    """Return a function of the one account and region."""
    arn = FunctionArn(account="444455556666", region="eu-west-1", name=name)
    return LambdaFunction(arn=arn, runtime=runtime, tags=tags or {})


@pytest.mark.parametrize(
    ("template", "name", "expected"),
    [
        # the default, under which the agent looks for it
        (DEFAULT, "invoice-renderer", "aws-lambda-invoice-renderer"),
        (DEFAULT, "A_b-3", "aws-lambda-A_b-3"),
        (DEFAULT, "x" * 64, "aws-lambda-" + "x" * 64),
        (DEFAULT, "a.b", "aws-lambda-a-b--2e7336dc8eba87ef"),
        (DEFAULT, "naïve", "aws-lambda-na-ve--f86fd89de87a848a"),
        (DEFAULT, "x" * 300, "aws-lambda-" + "x" * 226 + "--0d4e2ca9e9cbced7"),
        # the place, and constant text around
        ("{account}-{region}-{function_name}", "f", "444455556666-eu-west-1-f"),
        ("{function_name}-prof", "a-prof", "a-prof-prof"),
        ("{function_name}{function_name}", "ab", "abab--fb8e20fc2e4c3f24"),
        # runtimes, images
        ("{runtime}-{function_name}", "f", "python3_13-f"),
        # tags: `team` is a-b, `empty` is empty, `odd` is a/b.c, and there is no other
        ("{tag:env}-{function_name}", "b-c", "prod-b-c"),
        ("{function_name}-{tag:env}", "b-c", "b-c-prod"),
        ("{tag:team}-{function_name}", "c", "a-b-c--2e7d2c03a9507ae2"),
        ("{tag:team}_{function_name}", "c", "a-b_c"),
        ("{tag:odd}-{function_name}", "c", "a_b_c-c"),
        ("{tag:missing}-{function_name}", "c", "untagged-c"),
        ("{tag:empty}-{function_name}", "c", "untagged-c"),
        ("{tag:env}{function_name}", "c", "prodc--2e7d2c03a9507ae2"),
        ("{tag:aws:cloudformation:stack-name}-{function_name}", "c", "stack-c"),
    ],
)
def test_a_function_has_this_group_by_this_template(template: str, name: str, expected: str) -> None:
    """Plain wherever nobody else could have the same; else with a digest of the function's name."""
    tags = {"team": "a-b", "env": "prod", "empty": "", "odd": "a/b.c", "aws:cloudformation:stack-name": "stack"}
    assert group_name(template, function(name, tags=tags)) == expected


def test_a_container_image_has_no_runtime_to_name() -> None:
    """A word stands for it."""
    assert group_name("{runtime}-{function_name}", function("f", runtime=None)) == "image-f"


@given(templates(), functions())
def test_every_function_gets_a_valid_name_by_every_template(template: str, one: LambdaFunction) -> None:
    """Whatever the function is called and tagged, CreateProfilingGroup takes the name."""
    assert VALID.fullmatch(group_name(template, one))


@given(templates(), functions(), functions())
@example("{tag:team}-{function_name}", function("c", tags={"team": "a-b"}), function("b-c", tags={"team": "a"}))
@example("{function_name}-{tag:team}", function("a", tags={"team": "b-c"}), function("a-b", tags={"team": "c"}))
@example("{tag:team}{function_name}", function("a", tags={"team": "a"}), function("aa", tags={"team": ""}))
@example("{function_name}{function_name}{tag:team}", function("a", tags={"team": "aa"}), function("aa"))
def test_two_functions_of_one_place_never_share_a_name(
    template: str, one: LambdaFunction, other: LambdaFunction
) -> None:
    """Whatever their tags and runtimes are."""
    if one.arn != other.arn:
        assert group_name(template, one) != group_name(template, other)


@given(templates(), functions())
def test_no_function_can_be_named_so_as_to_share_anothers_changed_name(template: str, one: LambdaFunction) -> None:
    """Not even by the very text that stands in that name for the function's."""
    changed = group_name(template, function(one.arn.name + ".", runtime=one.runtime, tags=dict(one.tags)))
    for start in range(len(changed)):
        impostor = function(changed[start:], runtime=one.runtime, tags=dict(one.tags))
        assert group_name(template, impostor) != changed


@given(ordinary.filter(lambda name: not re.search(r"--[0-9a-f]{16}\Z", name)))
def test_an_ordinary_function_gets_the_name_that_the_agent_looks_for(name: str) -> None:
    """By the default template; or else the agent would never report to the group."""
    assert group_name(DEFAULT, function(name)) == agents_name(name) == f"aws-lambda-{name}"


@given(names, st.sampled_from([".", " ", "é", "\u2028", "/"]))
def test_functions_that_differ_only_in_a_forbidden_character_do_not_share_a_group(name: str, forbidden: str) -> None:
    """Both would become `-`."""
    alike = {f"{name}-z", f"{name}{forbidden}z", f"{name}{forbidden}{forbidden}z"}
    assert len({group_name(DEFAULT, function(each)) for each in alike}) == len(alike)


@given(templates(), st.text(alphabet="ab", min_size=255, max_size=300), st.sampled_from("cd"))
def test_long_names_that_begin_alike_do_not_share_a_group(template: str, beginning: str, end: str) -> None:
    """What is cut off still counts."""
    assert group_name(template, function(beginning + end)) != group_name(template, function(beginning))
