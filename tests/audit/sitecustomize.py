"""Python imports this at its start where the folder is on PYTHONPATH: the file $AUDIT hears of what reaches out."""

import os
import sys

REACHING_OUT = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "urllib.")


def hear(event: str, _details: object) -> None:
    if event.startswith(REACHING_OUT):
        with open(os.environ["AUDIT"], "a", encoding="utf-8") as out:
            out.write(f"{event}\n")


sys.addaudithook(hear)
