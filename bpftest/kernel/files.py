"""Files that bpftest writes: whole or not at all, and the user's own even under sudo."""

from __future__ import annotations

import contextlib
import errno
import functools
import os

from bpftest.errors import HostError


def cache_folder(name: str) -> str:
    """The folder *name* of the user's cache, made if it is not there. Under sudo it is the calling user's.

    Where that cannot be written to, a folder that goes away with the process. Raises HostError if there is none either.
    """
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(_home(), ".cache")
    folder = os.path.join(base, "bpftest", name)
    if _writable(folder):
        return folder
    folder = os.path.join(_temporary_folder(), name)
    make_folder(folder)
    return folder


def _writable(folder: str) -> bool:
    """Whether *folder*, made if it is not there, takes files."""
    if not os.path.isabs(folder):  # what is no absolute path is to be ignored: XDG Base Directory Specification
        return False
    try:
        make_folder(folder)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


@functools.cache
def _temporary_folder() -> str:
    import atexit
    import shutil
    import tempfile

    try:
        folder = tempfile.mkdtemp(prefix="bpftest-")
    except OSError as error:
        raise HostError(
            f"there is no folder to keep compiled objects in, not even a temporary one: {error.strerror}",
            "set XDG_CACHE_HOME or TMPDIR to a folder that can be written to",
        ) from None
    maker = os.getpid()

    def remove() -> None:
        if os.getpid() == maker:  # and not a child, which inherits this
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


def make_folder(folder: str) -> None:
    """Makes *folder* and those above it that are missing. Raises OSError."""
    if os.path.isdir(folder):
        return
    above = os.path.dirname(folder)
    if above and above != folder:
        make_folder(above)
    os.makedirs(folder, exist_ok=True)
    give_to_user(folder)


def refuse_link(path: str) -> None:
    """Raises OSError where a part of *path*, which leads on from where bpftest runs, is a symbolic link.

    A checkout may hold one that leads out of it, and bpftest may be root.
    """
    above = os.path.dirname(path)
    if above and above != path:
        refuse_link(above)
    if os.path.islink(path):
        raise OSError(errno.ELOOP, "it is a symbolic link, which bpftest does not follow: remove it", path)


def write_file(path: str, content: bytes) -> None:
    """Writes *content* to *path* in one step: a reader sees the old file or the new one. Raises OSError."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "xb") as file:  # a link of that name would be followed
            file.write(content)
        give_to_user(temporary)
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def give_to_user(path: str) -> None:
    """Under sudo, what is written belongs to the user who called it."""
    user, group = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if os.geteuid() == 0 and user.isdigit() and group.isdigit():
        with contextlib.suppress(OSError):  # some file systems know no owners
            os.chown(path, int(user), int(group), follow_symlinks=False)


def _home() -> str:
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "").isdigit():
        import pwd

        try:
            return pwd.getpwuid(int(os.environ["SUDO_UID"])).pw_dir
        except KeyError:
            pass
    return os.path.expanduser("~")
