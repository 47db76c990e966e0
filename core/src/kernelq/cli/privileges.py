"""Giving up the rights of root, for a process that needs them no longer."""

from __future__ import annotations

import grp
import os
import pwd

import attrs

from kernelq.kernel.errors import ConfigurationError


@attrs.frozen
class Identity:
    """Whom a process is to run as."""

    uid: int | None
    """None: the user stays."""
    gid: int | None
    name: str = ""
    """The user's name, "" where the system knows none."""
    home: str = ""

    @property
    def ours(self) -> bool:
        """Whether the process runs as such already."""
        user = self.uid is None or {self.uid} == {os.getuid(), os.geteuid()}
        return user and (self.gid is None or {self.gid} == {os.getgid(), os.getegid()})

    def take(self) -> None:
        """Become that user and group for good, with the user's own supplementary groups and no others.

        Raises `ConfigurationError` where this is not root.
        """
        if self.ours:
            return
        if os.geteuid() != 0:
            raise ConfigurationError("--uid, --gid: only root may run it as somebody else; start it as that user")
        if self.gid is not None:
            groups = os.getgrouplist(self.name, self.gid) if self.name else [self.gid]
            os.setgroups(groups)
            os.setgid(self.gid)
        if self.uid is not None:
            os.setuid(self.uid)  # of root: the saved one too, so there is no way back
            if self.name:
                os.environ.update(USER=self.name, LOGNAME=self.name, HOME=self.home)


def identity(uid: str | None, gid: str | None) -> Identity:
    """Return whom ``--uid`` and ``--gid`` name, by name or number; without a group it is the user's own.

    Raises `ConfigurationError` where the system does not know them.
    """
    user = _user(uid) if uid else None
    number = user.pw_uid if user else int(uid) if uid else None
    group = _group(gid) if gid else user.pw_gid if user else None
    if number is not None and group is None:
        raise ConfigurationError(f"--uid {uid}: the system knows no such user, so say the group too, with --gid")
    return Identity(number, group, user.pw_name if user else "", user.pw_dir if user else "")


def _user(given: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(int(given)) if given.isdecimal() else pwd.getpwnam(given)
    except KeyError:
        if given.isdecimal():
            return None
        raise ConfigurationError(f"--uid: there is no user {given!r}") from None


def _group(given: str) -> int:
    if given.isdecimal():
        return int(given)
    try:
        return grp.getgrnam(given).gr_gid
    except KeyError:
        raise ConfigurationError(f"--gid: there is no group {given!r}") from None
