"""Tags: what may go on a group, and what a group is short of."""

from string import ascii_letters

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_groups.policy import Globs
from profiling_groups.tags import MAX_TAGS, WantedTags, change, inheritable, passed_on

values = st.text(alphabet=ascii_letters, max_size=3)
tag_maps = st.dictionaries(st.text(alphabet="abcdef:", min_size=1, max_size=3), values, max_size=70)


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("team", "billing", None),
        ("Größe", "naïve Ω ٤", None),
        ("a b+c-d=e.f_g:h/i@j", "", None),
        ("k" * 128, "v" * 256, None),
        ("my:aws:tag", "", None),
        ("aws:cloudformation:stack-name", "s", "reserved for AWS"),
        ("AWS:x", "s", "reserved for AWS"),
        ("profiling-group-provisioner:created-for", "s", "reserved for the marks of Profiling Group Provisioner"),
        ("Profiling-Group-Provisioner:x", "s", "reserved for the marks of Profiling Group Provisioner"),
        ("", "v", "a key has 1 to 128 characters"),
        ("k" * 129, "v", "a key has 1 to 128 characters"),
        ("k", "v" * 257, "a value has at most 256 characters"),
        ("a;b", "v", "';' may not stand in a key"),
        ("k", "{}", "'{' may not stand in a value"),
        ("k", "a\tb", "'\\t' may not stand in a value"),
        ("k", "m²", "'\\xb2' may not stand in a value"),
        ("k", "🦀", "'\\U0001f980' may not stand in a value"),
    ],
)
def test_a_tag_is_inherited_or_dropped_with_its_reason(key: str, value: str, why: str | None) -> None:
    """AWS's tag rules; a tag that breaks one is left out whole, never changed."""
    kept, dropped = inheritable({key: value}, Globs())
    assert (kept, [tag.why for tag in dropped]) == ((({key: value}), []) if why is None else ({}, [why]))


@pytest.mark.parametrize(
    ("current", "inherited", "put"),
    [
        pytest.param({}, {"a": "1"}, {"a": "1", "by": "us"}, id="a bare group gets everything"),
        pytest.param({"a": "1", "by": "us"}, {"a": "1"}, {}, id="as wanted"),
        pytest.param({"a": "0", "by": "us"}, {"a": "1"}, {"a": "1", "by": "us"}, id="the function's value wins"),
        pytest.param(
            {"a": "0", "b": "2", "by": "them"},
            {"a": "1", "b": "2"},
            {"a": "1", "b": "2", "by": "them"},
            id="what is right is sent along",
        ),
        pytest.param({"a": "1", "by": "them"}, {"a": "1"}, {}, id="an added key is not forced on a group that has it"),
        pytest.param({"by": "them"}, {"by": "me"}, {"by": "me"}, id="unless the function carries it"),
        pytest.param({}, {"by": "me"}, {"by": "me"}, id="the function's value wins over the policy's"),
        pytest.param({"own": "x", "by": "us"}, {}, {}, id="what only the group has is left alone"),
    ],
)
def test_what_is_put_on_a_group(current: dict[str, str], inherited: dict[str, str], put: dict[str, str]) -> None:
    """Function over group, group over policy."""
    assert change(current, WantedTags(inherited=inherited, added={"by": "us"})).put == put


@pytest.mark.parametrize(
    ("inherit", "expected"),
    [
        (Globs(), {"team": "a", "cost": "b"}),
        (Globs(include=("t*",)), {"team": "a"}),
        (Globs(exclude=("cost", "x")), {"team": "a"}),
        (Globs(include=()), {}),
        (Globs(include=("aws:*", "T*")), {}),
    ],
)
def test_the_policy_says_which_keys_are_passed_on(inherit: Globs, expected: dict[str, str]) -> None:
    """What it holds back is named, too."""
    tags = {"team": "a", "cost": "b", "aws:x": "c"}
    kept, dropped = inheritable(tags, inherit)
    assert kept == expected
    assert {tag.key for tag in dropped} == tags.keys() - expected.keys()


@pytest.mark.parametrize("key", ["profiling-group-provisioner:created-for", "profiling-group-provisioner:adopted-for"])
def test_no_event_removes_a_mark(key: str) -> None:
    """Whatever tags a function loses."""
    assert passed_on({key, "team"}, Globs()) == {"team"}


@given(
    current=tag_maps.filter(lambda tags: len(tags) <= MAX_TAGS),
    inherited=tag_maps,
    mark=st.sampled_from([{}, {"profiling-group-provisioner:adopted-for": "f"}]),
    untagged=st.sets(st.sampled_from(["a", "b", "ab", "by", "x"])),
)
def test_tags_put_right_stay_right_and_within_the_limit(
    current: dict[str, str], inherited: dict[str, str], mark: dict[str, str], untagged: set[str]
) -> None:
    """At most 50, nobody's own lost, every tag there or named as dropped, and the next run has nothing to do."""
    wanted = WantedTags(mark=mark, inherited=inherited, added={"by": "us"})
    first = change(current, wanted, untagged=untagged)
    kept = {key: value for key, value in current.items() if key not in first.remove}
    after = kept | dict(first.put)
    assert len(after) <= MAX_TAGS
    assert after.keys() >= current.keys() - (untagged - inherited.keys() - {"by"})
    assert not after.keys() & (untagged - inherited.keys() - {"by"})
    assert first.put.keys() <= {*inherited, *mark, "by"}
    expected = {**inherited, **mark}
    assert {key for key in expected if after.get(key) != expected[key]} | ({"by"} - after.keys()) == {
        tag.key for tag in first.dropped
    }
    again = change(after, wanted, untagged=untagged)
    assert (again.put, again.remove) == ({}, ())


def test_what_comes_off_a_full_group_makes_room() -> None:
    """It is taken off before anything is written."""
    full = {f"k{number:02}": "v" for number in range(MAX_TAGS)}
    new = change(full, WantedTags(inherited={"z": "v"}, added={}), untagged={"k07"})
    assert (new.remove, new.put, new.dropped) == (("k07",), {"z": "v"}, ())


def test_of_sixty_tags_the_mark_and_the_policys_own_are_kept() -> None:
    """The rest goes in the order of the keys, so every run leaves out the same."""
    inherited = {f"k{number:02}": "v" for number in range(60)}
    new = change({}, WantedTags(mark={"mark": "f"}, inherited=inherited, added={"managed-by": "us"}))
    assert list(new.put) == ["mark", "managed-by", *sorted(inherited)[:48]]
    assert [tag.key for tag in new.dropped] == sorted(inherited)[48:]
