"""Files that bpftest writes: whole or not at all, and the user's own even under sudo."""

from __future__ import annotations

import os


def cache_folder(name: str) -> str:
    """The folder *name* of the user's cache, made if it is not there. Under sudo it is the calling user's."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(_home(), ".cache")
    folder = os.path.join(base, "bpftest", name)
    make_folder(folder)
    return folder


def make_folder(folder: str) -> None:
    """Makes *folder* and those above it that are missing."""
    if os.path.isdir(folder):
        return
    above = os.path.dirname(folder)
    if above and above != folder:
        make_folder(above)
    os.makedirs(folder, exist_ok=True)
    give_to_user(folder)


def write_file(path: str, content: bytes) -> None:
    """Writes *content* to *path* in one step: a reader sees the old file or the new one."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
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
        os.chown(path, int(user), int(group), follow_symlinks=False)


def _home() -> str:
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "").isdigit():
        import pwd

        try:
            return pwd.getpwuid(int(os.environ["SUDO_UID"])).pw_dir
        except KeyError:
            pass
    return os.path.expanduser("~")
