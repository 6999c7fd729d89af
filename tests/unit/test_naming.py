"""Names of profiling groups: total, injective, and the agent's own wherever that is possible."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_groups.naming import MAX_LENGTH, group_name

VALID = re.compile(r"[A-Za-z0-9_-]{1,255}")
ordinary = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
anything = st.text(min_size=0, max_size=400)


@pytest.mark.parametrize(
    ("function", "group"),
    [
        ("invoice-renderer", "aws-lambda-invoice-renderer"),
        ("A_b-3", "aws-lambda-A_b-3"),
        ("x" * 64, "aws-lambda-" + "x" * 64),
        ("a.b", "aws-lambda-a-b--2e7336dc8eba87ef"),
        ("naïve", "aws-lambda-na-ve--f86fd89de87a848a"),
        ("x" * 300, "aws-lambda-" + "x" * 226 + "--0d4e2ca9e9cbced7"),
    ],
)
def test_a_function_has_this_group(function: str, group: str) -> None:
    """The agent's name where it is valid; else a changed one that never changes again."""
    assert group_name(function) == group


@given(anything | ordinary)
def test_every_function_gets_a_valid_name(function: str) -> None:
    """Whatever the function is called, CreateProfilingGroup takes the name."""
    assert VALID.fullmatch(group_name(function))


@given(ordinary.filter(lambda name: not re.search(r"--[0-9a-f]{16}\Z", name)))
def test_an_ordinary_function_gets_the_name_that_the_agent_looks_for(function: str) -> None:
    """Or else the agent would never report to the group."""
    assert group_name(function) == f"aws-lambda-{function}"


@given(anything | ordinary, st.sampled_from([".", " ", "é", "\u2028", "/"]))
def test_functions_that_differ_only_in_a_forbidden_character_do_not_share_a_group(name: str, forbidden: str) -> None:
    """Both would become `-`."""
    names = {f"{name}-z", f"{name}{forbidden}z", f"{name}{forbidden}{forbidden}z"}
    assert len({group_name(each) for each in names}) == len(names)


@given(anything | ordinary)
def test_no_function_can_be_named_so_as_to_share_a_changed_name(function: str) -> None:
    """A function called just like the changed name of another one gets a name of its own."""
    changed = group_name(function + ".")
    impostor = changed.removeprefix("aws-lambda-")
    assert group_name(impostor) != changed


@given(st.text(alphabet="ab", min_size=MAX_LENGTH, max_size=MAX_LENGTH + 40), st.sampled_from("cd"))
def test_long_names_that_begin_alike_do_not_share_a_group(beginning: str, end: str) -> None:
    """What is cut off still counts."""
    assert group_name(beginning + end) != group_name(beginning)
