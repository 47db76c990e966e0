"""Becoming another user, in processes of their own: there is no way back."""

from __future__ import annotations

import grp
import json
import os
import pwd
import subprocess
import sys
from typing import Any

import pytest

from kernelq.cli.privileges import Identity, identity
from kernelq.kernel.errors import ConfigurationError

SCRIPT = """
import json, os, sys
from kernelq.cli.privileges import identity
from kernelq.kernel.errors import ConfigurationError
first, *others = json.loads(sys.argv[1])
wanted = [identity(*one) for one in others]
identity(*first).take()
said = []
for one in wanted:
    try:
        one.take()
    except ConfigurationError as error:
        said.append(str(error))
try:
    os.setuid(0)
except PermissionError:
    said.append("no way back")
print(json.dumps([os.getuid(), os.geteuid(), os.getgid(), sorted(os.getgroups()), os.environ["HOME"], said]))
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")


def taken(*identities: tuple[str | None, str | None]) -> list[Any]:
    """Become them one after the other; return what the process is then, and what was refused."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(identities)], capture_output=True, text=True, check=True
    )
    found: list[Any] = json.loads(done.stdout)
    return found


@as_root
def test_root_becomes_a_user_for_good_with_that_users_groups_alone() -> None:
    user = pwd.getpwnam("nobody")
    groups = sorted(os.getgrouplist("nobody", user.pw_gid))

    expected = [user.pw_uid, user.pw_uid, user.pw_gid, groups, user.pw_dir, ["no way back"]]
    assert expected == taken(("nobody", None))


@as_root
def test_a_group_of_its_own_may_be_named() -> None:
    user, group = pwd.getpwnam("nobody"), grp.getgrnam("daemon")
    uid, _, gid, groups, *_ = taken((str(user.pw_uid), "daemon"))

    assert (user.pw_uid, group.gr_gid) == (uid, gid)
    assert group.gr_gid in groups
    assert 0 not in groups


@as_root
def test_whoever_is_not_root_stays_what_it_is() -> None:
    """The same again is no error: a worker that begins anew has done it before."""
    *_, said = taken(("nobody", None), ("nobody", None), ("daemon", None))

    assert 2 == len(said)
    assert "only root may" in said[0]


@pytest.mark.parametrize(
    ("uid", "gid", "told"),
    [
        ("no-such-user", None, "there is no user 'no-such-user'"),
        (None, "no-such-group", "there is no group 'no-such-group'"),
        ("987654", None, "say the group too"),
    ],
)
def test_who_is_not_known_is_told(uid: str | None, gid: str | None, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        identity(uid, gid)


def test_numbers_need_not_be_known() -> None:
    assert Identity(987654, 987655) == identity("987654", "987655")


def test_without_options_everything_stays() -> None:
    assert identity(None, None).ours
