"""What must not happen to the process of the tests itself happens in a child."""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable
from typing import Any


def in_child(work: Callable[[], Any]) -> Any:
    """What *work* returns in a forked process. Raises AssertionError with its traceback where it raises."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = (work(), "")
        except BaseException:  # noqa: BLE001 - the parent raises it
            answer = (None, traceback.format_exc())
        with open(writing, "wb") as pipe:
            pickle.dump(answer, pipe)
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        sent = pipe.read()
    os.waitpid(child, 0)
    assert sent, "the child has died"
    value, failure = pickle.loads(sent)  # noqa: S301 - written by this very test
    assert not failure, failure
    return value
