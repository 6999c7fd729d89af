"""The policy as values: globs, and what is read of a compiled file."""

from __future__ import annotations

from typing import Any

import pytest

from profiling_groups.policy import (
    Architecture,
    Functions,
    FunctionTags,
    Globs,
    GroupSettings,
    GroupTags,
    Images,
    Lifecycle,
    Policy,
    Runtimes,
    WhenDeleted,
    load,
)


@pytest.mark.parametrize(
    ("globs", "text", "against"),
    [
        (Globs(), "anything", None),
        (Globs(), "", None),
        (Globs(include=("prod-*",)), "prod-api", None),
        (Globs(include=("prod-*",)), "my-prod-api", "include"),
        (Globs(include=("prod-*",)), "PROD-api", "include"),
        (Globs(include=("a", "b?")), "b1", None),
        (Globs(include=("[!a]*",)), "api", "include"),
        (Globs(include=()), "anything", "include"),
        (Globs(exclude=("*-canary",)), "api-canary", "exclude"),
        # exclude wins, and is the one that is named
        (Globs(include=("api",), exclude=("a*",)), "api", "exclude"),
        (Globs(include=("web",), exclude=("a*",)), "api", "exclude"),
        # a name with a line break in it, and with what stands for something in a regular expression
        (Globs(include=("a*c",)), "a\nc", None),
        (Globs(include=("a.c",)), "abc", "include"),
        # the runtimes that ship
        (Runtimes(), "python3.13", None),
        (Runtimes(), "python2.7", "include"),
        (Runtimes(exclude=("java8*",)), "java8.al2", "exclude"),
    ],
)
def test_globs_turn_a_text_away_by_the_key_that_is_against_it(globs: Globs, text: str, against: str | None) -> None:
    """As a whole, and telling upper from lower case."""
    assert globs.turned_away_by(text) == against


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, Policy()),
        ({"version": 1, "functions": {}, "lifecycle": {}}, Policy()),
        ({"functions": {"names": {"exclude": ["a"]}}}, Policy(functions=Functions(names=Globs(exclude=("a",))))),
        (
            {"functions": {"images": "skip", "architectures": ["arm64"]}},
            Policy(functions=Functions(images=Images.SKIP, architectures=(Architecture.ARM64,))),
        ),
        (
            {"functions": {"tags": {"require": {"team": ["a", "b"]}, "opt_out": {}}}},
            Policy(functions=Functions(tags=FunctionTags(require={"team": ("a", "b")}, opt_out={}))),
        ),
        ({"group": {"name": "{function_name}"}}, Policy(group=GroupSettings(name="{function_name}"))),
        ({"tags": {"add": {"a": "b"}}}, Policy(tags=GroupTags(add={"a": "b"}))),
        (
            {"lifecycle": {"when_function_is_deleted": "delete", "orphan_grace_days": 0}},
            Policy(lifecycle=Lifecycle(when_function_is_deleted=WhenDeleted.DELETE, orphan_grace_days=0)),
        ),
    ],
)
def test_what_a_document_leaves_out_has_its_default(document: dict[str, Any], expected: Policy) -> None:
    """And what it says comes in the types that the decision asks for."""
    loaded = load(document)
    assert loaded == expected
    # The decision asks for these by identity.
    assert loaded.functions.images is expected.functions.images
    assert loaded.lifecycle.when_function_is_deleted is expected.lifecycle.when_function_is_deleted


@pytest.mark.parametrize(
    ("when_deleted", "grace_days", "at_once"),
    [
        (WhenDeleted.KEEP, 30, False),
        (WhenDeleted.KEEP, 0, False),
        (WhenDeleted.DELETE, 1, False),
        (WhenDeleted.DELETE, 0, True),
    ],
)
def test_a_group_goes_with_its_function_only_where_nothing_spares_it(
    when_deleted: WhenDeleted, grace_days: int, *, at_once: bool
) -> None:
    """Neither the policy nor a grace."""
    lifecycle = Lifecycle(when_function_is_deleted=when_deleted, orphan_grace_days=grace_days)
    assert Policy(lifecycle=lifecycle).deletes_at_once is at_once
