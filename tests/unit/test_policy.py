"""The policy as values: globs, and what is read of a compiled file."""

from __future__ import annotations

from typing import Any

import pytest

from profiling_groups.policy import (
    AdoptExistingGroups,
    Architecture,
    Functions,
    FunctionTags,
    Globs,
    Governed,
    GroupSettings,
    GroupTags,
    Images,
    Lifecycle,
    Match,
    Organization,
    Override,
    Policy,
    Runtimes,
    Units,
    WhenDeleted,
    is_within,
    load,
)

ACCOUNT = "111122223333"
REGION = "eu-west-1"
PROD = "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/"
PROD_EU = f"{PROD}ou-ab12-22222222/"
ROOT = "o-a1b2c3d4e5/r-ab12/"
DELETES: dict[str, Any] = {"lifecycle": {"when_function_is_deleted": "delete"}}
KEEPS: dict[str, Any] = {"lifecycle": {"when_function_is_deleted": "keep"}}


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
        (
            {"lifecycle": {"adopt_existing_groups": "all", "max_deletions": 0}},
            Policy(lifecycle=Lifecycle(adopt_existing_groups=AdoptExistingGroups.ALL, max_deletions=0)),
        ),
        (
            {"organization": {"accounts": {"exclude": ["1*"]}, "ous": {"include": ["r-ab12"]}}},
            Policy(organization=Organization(accounts=Globs(exclude=("1*",)), ous=Units(include=("r-ab12",)))),
        ),
        (
            {"overrides": [{"match": {"ous": ["r-ab12"]}, "functions": {"images": "skip"}, **DELETES}]},
            Policy(
                overrides=(
                    Override(match=Match(ous=("r-ab12",)), changes={"functions": {"images": "skip"}, **DELETES}),
                )
            ),
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
    assert loaded.lifecycle.adopt_existing_groups is expected.lifecycle.adopt_existing_groups


# --- places


@pytest.mark.parametrize(
    ("unit", "path", "within"),
    [
        # an id: in it, or anywhere below
        ("ou-ab12-11111111", PROD, True),
        ("ou-ab12-11111111", PROD_EU, True),
        ("ou-ab12-22222222", PROD, False),
        ("r-ab12", ROOT, True),
        ("r-ab12", PROD_EU, True),
        # not what only begins or ends like one
        ("ou-ab12-1111111", PROD, False),
        ("u-ab12-11111111", PROD, False),
        # a glob: the whole path
        (f"{PROD}*", PROD, True),
        (f"{PROD}*", PROD_EU, True),
        (PROD, PROD_EU, False),
        ("*/ou-ab12-22222222/", PROD_EU, True),
        ("*/ou-ab12-22222222/", PROD, False),
        ("o-a1b2c3d4e5/r-ab12/", ROOT, True),
        # a star, though it has no slash
        ("*", ROOT, True),
    ],
)
def test_a_unit_is_an_id_with_all_below_it_or_a_glob_on_the_path(unit: str, path: str, *, within: bool) -> None:
    """As `aws:PrincipalOrgPaths` has it, to the slash at its end."""
    assert is_within(path, ["ou-ab12-99999999", unit]) is within


@pytest.mark.parametrize(
    ("organization", "path", "rule"),
    [
        (Organization(), PROD, None),
        (Organization(), None, None),
        (Organization(accounts=Globs(exclude=("1111*",))), None, "organization.accounts.exclude"),
        (Organization(accounts=Globs(include=("4444*",))), None, "organization.accounts.include"),
        (Organization(regions=Globs(include=("us-*",))), None, "organization.regions.include"),
        (Organization(regions=Globs(exclude=("eu-west-[12]",))), PROD, "organization.regions.exclude"),
        (Organization(ous=Units(exclude=("ou-ab12-11111111",))), PROD_EU, "organization.ous.exclude"),
        (Organization(ous=Units(include=("ou-ab12-22222222",))), PROD, "organization.ous.include"),
        (Organization(ous=Units(include=("ou-ab12-22222222",))), PROD_EU, None),
        # nobody has decided about a path that is not known
        (Organization(ous=Units(exclude=("r-ab12",))), None, None),
        (Organization(ous=Units(include=())), None, None),
    ],
)
def test_a_place_is_governed_unless_a_key_is_against_it(
    organization: Organization, path: str | None, rule: str | None
) -> None:
    """The first that is: accounts, then organizational units, then regions."""
    policy = Policy(organization=organization)
    assert policy.ungoverned(account=ACCOUNT, region=REGION, organization_path=path) == rule


@pytest.mark.parametrize(
    ("match", "path", "applies"),
    [
        (Match(accounts=("4*", "1111*")), None, True),
        (Match(accounts=("444455556666",)), None, False),
        (Match(regions=("eu-*",)), None, True),
        (Match(regions=("us-*", "ap-*")), None, False),
        (Match(ous=("ou-ab12-11111111",)), PROD_EU, True),
        (Match(ous=("ou-ab12-22222222",)), PROD, False),
        # all that is named
        (Match(accounts=("1*",), ous=("r-ab12",), regions=("eu-west-1",)), PROD, True),
        (Match(accounts=("4*",), ous=("r-ab12",), regions=("eu-west-1",)), PROD, False),
        (Match(accounts=("1*",), ous=("ou-ab12-22222222",), regions=("eu-west-1",)), PROD, False),
        (Match(accounts=("1*",), ous=("r-ab12",), regions=("us-*",)), PROD, False),
        # a path that is not known is in no unit, and not even asked for where something else does not match
        (Match(ous=("r-ab12",)), None, None),
        (Match(accounts=("1*",), ous=("*",)), None, None),
        (Match(accounts=("4*",), ous=("r-ab12",)), None, False),
    ],
)
def test_an_override_applies_where_all_that_it_names_matches(
    match: Match, path: str | None, *, applies: bool | None
) -> None:
    """Or it is in doubt, which is told."""
    policy = Policy(overrides=(Override(match=match, changes={"functions": {"images": "skip"}}),))
    governed = policy.governing(account=ACCOUNT, region=REGION, organization_path=path)
    assert governed == Governed(
        policy=Policy(functions=Functions(images=Images.SKIP)) if applies else Policy(),
        overrides=(0,) if applies else (),
        in_doubt=(0,) if applies is None else (),
    )


def test_overrides_apply_in_order_key_by_key() -> None:
    """Later ones win; a list or a mapping of tags is replaced as a whole, and what stands beside it stays."""
    policy = load(
        {
            "functions": {"names": {"include": ["a*", "b*"], "exclude": ["*-x"]}},
            "tags": {"add": {"managed-by": "us", "owner": "us"}},
            "overrides": [
                {"match": {"accounts": ["1*"]}, "functions": {"names": {"include": ["c*"]}, "images": "skip"}},
                {"match": {"regions": ["us-*"]}, "group": {"grant_agent": True}},
                {"match": {"regions": ["eu-*"]}, "functions": {"images": "include"}, "tags": {"add": {"a": "b"}}},
            ],
        }
    )
    governed = policy.governing(account=ACCOUNT, region=REGION, organization_path=None)
    assert governed.overrides == (0, 2)
    assert governed.policy == Policy(
        functions=Functions(names=Globs(include=("c*",), exclude=("*-x",))), tags=GroupTags(add={"a": "b"})
    )


@pytest.mark.parametrize(
    ("document", "path", "deletes"),
    [
        (DELETES, None, True),
        # an override that would have kept, or would have deleted
        ({**DELETES, "overrides": [{"match": {"ous": ["r-ab12"]}, **KEEPS}]}, None, False),
        ({**DELETES, "overrides": [{"match": {"ous": ["r-ab12"]}, **KEEPS}]}, ROOT, False),
        ({"overrides": [{"match": {"ous": ["r-ab12"]}, **DELETES}]}, None, False),
        ({"overrides": [{"match": {"ous": ["r-ab12"]}, **DELETES}]}, ROOT, True),
        # one that would have named groups otherwise, or spared this one for longer
        ({**DELETES, "overrides": [{"match": {"ous": ["*"]}, "group": {"name": "{function_name}"}}]}, None, False),
        # one before it that deletes for certain
        (
            {"overrides": [{"match": {"accounts": ["1*"]}, **DELETES}, {"match": {"ous": ["r-ab12"]}, **KEEPS}]},
            None,
            False,
        ),
        # one that is not for this account, wherever it is
        ({**DELETES, "overrides": [{"match": {"accounts": ["4*"], "ous": ["r-ab12"]}, **KEEPS}]}, None, True),
        # an account that might not be governed at all
        ({**DELETES, "organization": {"ous": {"exclude": ["ou-ab12-11111111"]}}}, None, False),
        ({**DELETES, "organization": {"ous": {"include": ["ou-ab12-11111111"]}}}, None, False),
        ({**DELETES, "organization": {"ous": {"exclude": ["ou-ab12-11111111"]}}}, ROOT, True),
    ],
)
def test_nothing_is_deleted_where_the_path_could_matter_and_is_not_known(
    document: dict[str, Any], path: str | None, *, deletes: bool
) -> None:
    """Whatever the policy says: an unknown path is no permission."""
    governed = load(document).governing(account=ACCOUNT, region=REGION, organization_path=path)
    assert governed.policy.lifecycle.deletes is deletes


@pytest.mark.parametrize(
    ("document", "needed"),
    [
        ({}, False),
        ({"organization": {"accounts": {"exclude": ["1*"]}, "regions": {"include": ["eu-*"]}}}, False),
        ({"overrides": [{"match": {"accounts": ["1*"], "regions": ["eu-*"]}, **KEEPS}]}, False),
        ({"organization": {"ous": {"include": ["ou-ab12-11111111", "*"]}}}, False),
        ({"organization": {"ous": {"include": ["ou-ab12-11111111"]}}}, True),
        ({"organization": {"ous": {"exclude": ["ou-ab12-11111111"]}}}, True),
        ({"overrides": [{"match": {"regions": ["eu-*"]}, **KEEPS}, {"match": {"ous": ["*"]}, **KEEPS}]}, True),
    ],
)
def test_the_path_is_needed_where_units_are_spoken_of(document: dict[str, Any], *, needed: bool) -> None:
    """Anywhere; nobody need ask Organizations otherwise."""
    assert load(document).needs_organization_path is needed


def test_a_policy_without_overrides_governs_every_place_itself() -> None:
    """And costs nothing to ask; with overrides, the same few policies come back for any number of places."""
    plain = Policy()
    assert plain.governing(account=ACCOUNT, region=REGION, organization_path=None).policy is plain
    assert plain.variants() == (plain,)
    policy = load(
        {"overrides": [{"match": {"regions": ["eu-*"]}, **DELETES}, {"match": {"accounts": ["9*"]}, **KEEPS}]}
    )
    one, other = (
        policy.governing(account=account, region="eu-north-1", organization_path=None)
        for account in (ACCOUNT, "444455556666")
    )
    assert one is other
    assert policy.variants() == (Policy(), load(DELETES), Policy())
