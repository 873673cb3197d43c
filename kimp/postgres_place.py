"""Where the embedded PostgreSQL lives and as whom it runs; never widens a parent folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from kimp import postgres_owner as owner
from kimp.postgres_binaries import WAYS_OUT, Binaries, PostgresError

ACCOUNTS = ("postgres", "nobody")  # for a server that root starts, the first that there is


class Identity(TypedDict, total=False):
    """Keyword arguments that make `subprocess` run a program as somebody."""

    user: int
    group: int
    extra_groups: list[int]
    cwd: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The folder of the data, and the user that owns it (None: whoever we are)."""

    folder: Path
    account: pwd.struct_passwd | None

    @property
    def data(self) -> Path:
        """The data folder of the server."""
        return self.folder / "data"

    @property
    def identity(self) -> Identity:
        """What `subprocess` needs to act as the server's user."""
        # The working folder may be closed to that user, so it starts at the root.
        if self.account is None:
            return Identity(cwd="/")
        uid, gid = self.account.pw_uid, self.account.pw_gid
        return Identity(user=uid, group=gid, extra_groups=[], cwd="/")


def known(home: Path) -> Place | None:
    """Give the place that `home` has already, if it is its own and no other's; makes nothing."""
    folder = owner.remembered(home)
    if folder is None:
        inside = home / "server"
        return Place(folder=inside, account=_account([inside])) if inside.exists() else None
    if not owner.is_free_for(home, folder):
        return None
    return Place(folder=folder, account=_account([folder]))


def demand_whole(home: Path) -> None:
    """Raise PostgresError where a home that has no place has data all the same, which cannot be reached now."""
    folder = owner.remembered(home)
    if folder is not None:
        owner.demand_there(home, folder)
        owner.demand_idle(home, folder)


def chosen(home: Path) -> Place:
    """Choose (and remember) a folder that the server's user can reach, `home` if possible.

    Raises PostgresError where there is none, or the one that it remembers is gone or is its copy's now.
    """
    folder = owner.remembered(home)
    if folder is None:
        return _anew(home)
    if _is_still_ours(home, folder):
        return Place(folder=folder, account=_account([folder]))
    if folder.name.startswith(owner.name_for(home)):
        raise PostgresError(_taken(home, folder))
    return _anew(home)


def _taken(home: Path, folder: Path) -> str:
    """Say what to do about data that was made for a home of this path, and was used from another since."""
    other = owner.owner_of(folder) or Path("?")
    return (
        f"The data of {home.parent} in {folder} belongs to {other.parent} now, a copy of it that was used "
        f"meanwhile. Use that one (KIMP_HOME={other.parent}); or, to have the data here again, end what uses it "
        f"there and remove {other / 'location'}; or, to begin anew here without it, remove {home / 'location'}."
    )


def _is_still_ours(home: Path, folder: Path) -> bool:
    owner.demand_there(home, folder)
    return owner.take(home, folder)


def _anew(home: Path) -> Place:
    account = _account(_folders(home))
    for folder in _folders(home):
        place = Place(folder=folder, account=account)
        is_inside = folder.parent == home  # it moves with the project
        if (is_inside or _is_unclaimed(home, folder)) and _is_usable(place):
            if not is_inside and not owner.take(home, folder):
                continue
            _remember(home, None if is_inside else folder)
            return place
        if is_inside and (place.data / "PG_VERSION").exists():
            raise PostgresError(_out_of_reach(place))
    raise PostgresError(
        f"PostgreSQL refuses to run as root, and user {account.pw_name if account else '?'} "
        f"reaches no folder for its data. {WAYS_OUT}"
    )


def _out_of_reach(place: Place) -> str:
    """Say what to do about data that another user has made, or that are closed to the server's: no new ones beside them."""
    name = place.account.pw_name if place.account else "this user"
    number = place.folder.stat().st_uid
    maker = str(number)
    with suppress(KeyError):
        maker = pwd.getpwuid(number).pw_name
    cure = (
        f"Open the folders above it to {name}"
        if maker == name
        else f"Run as {maker}, to whom they belong"
    )
    return f"There are data in {place.data}, which {name} does not reach. {cure}, or name another folder in KIMP_HOME."


def _is_unclaimed(home: Path, folder: Path) -> bool:
    return not folder.exists() or owner.is_new_or_made_by(home, folder)


def _remember(home: Path, folder: Path | None) -> None:
    """Write down where the data lies; a copy forgets what it remembered of the original's."""
    location = home / "location"
    if folder is None:
        location.unlink(missing_ok=True)
    else:
        location.write_text(str(folder), "utf-8")


def reachable(binaries: Binaries, place: Place) -> Path:
    """Return a folder of the programs that the server's user can run; copies them if need be."""
    if _can(place, "-x", binaries.folder / "postgres"):
        return binaries.folder
    if not binaries.roots:
        name = place.account.pw_name if place.account else "this user"
        raise PostgresError(f"{name} cannot run the programs in {binaries.folder}. {WAYS_OUT}")
    target = place.folder / f"programs-{binaries.major}"
    if not target.exists():
        _copy(binaries.roots, target)
    return target / binaries.folder.relative_to(binaries.roots[0].parent)


def own_all(place: Place) -> None:
    """Give data that root has copied, and thereby taken, to the server's user."""
    if place.account is None or place.data.stat().st_uid == place.account.pw_uid:
        return
    # The folder last: its owner tells that all of it is theirs, whatever breaks this off.
    for path in (*place.data.rglob("*"), place.data):
        os.chown(path, place.account.pw_uid, place.account.pw_gid, follow_symlinks=False)


def own(place: Place, path: Path) -> None:
    """Give a path that we created to the server's user."""
    if place.account is not None:
        os.chown(path, place.account.pw_uid, place.account.pw_gid)


def _account(folders: Iterable[Path]) -> pwd.struct_passwd | None:
    """Name the user to run as: whose data there is, for a package may bring the user postgres later."""
    if os.geteuid() != 0:
        return None
    accounts = list(_accounts())
    if not accounts:
        raise PostgresError(
            f"PostgreSQL refuses to run as root and there is neither a user postgres nor nobody. {WAYS_OUT}"
        )
    data = [folder / "data" for folder in folders]
    owners = {path.stat().st_uid for path in data if path.exists()}
    return next((one for one in accounts if one.pw_uid in owners), accounts[0])


def _accounts() -> Iterator[pwd.struct_passwd]:
    for name in ACCOUNTS:
        with suppress(KeyError):
            yield pwd.getpwnam(name)


def _folders(home: Path) -> Iterator[Path]:
    yield home / "server"
    name = owner.name_for(home)
    for parent in (Path("/var/lib"), Path(tempfile.gettempdir())):
        yield parent / name
        yield parent / f"{name}-{home.stat().st_ino}"  # the first is that of a home that was moved


def _is_usable(place: Place) -> bool:
    """Create the folder and see whether the server's user gets there."""
    if place.account is None:
        place.folder.mkdir(exist_ok=True)
        return True
    try:
        place.folder.mkdir(exist_ok=True)
    except OSError:
        return False
    if place.folder.stat().st_uid not in (os.geteuid(), place.account.pw_uid):
        return False  # in a shared temporary folder somebody else may have made it
    own(place, place.folder)
    place.folder.chmod(0o755)
    return _can(place, "-w", place.folder)


def _can(place: Place, flag: str, path: Path) -> bool:
    reply = subprocess.run(  # noqa: S603  a fixed shell line; the path is an argument
        ["/bin/sh", "-c", f'test {flag} "$1"', "sh", path], check=False, **place.identity
    )
    return reply.returncode == 0


def _copy(roots: tuple[Path, ...], target: Path) -> None:
    draft = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    for root in roots:
        shutil.copytree(root, draft / root.name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (draft, *draft.rglob("*")):  # our own copies: a strict umask must not close them
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    draft.rename(target)
