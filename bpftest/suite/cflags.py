"""`cflags:` → arguments of clang: those that say what code is to be, and no others.

`-fplugin=` loads native code, `-Wp,` and `@file` bring any other argument, `-o`, `-MF` and `-save-temps` write files,
`-B` and `-fno-integrated-as` start other programs, and each clang knows more. So it is listed what passes.
"""

from __future__ import annotations

import os
import re

from bpftest.errors import SuiteError
from bpftest.wording import shown

# What follows is a path. Which file a path leads to is nothing new: an #include in the source can name each as well.
PATHS = ("-idirafter", "-isystem", "-iquote", "-include", "-I")
TEXTS = ("-D", "-U")
ALLOWED = re.compile(
    r"""
      -O[0-3sgz]?
    | -w | -W[\w+=#-]*                                  # -Wp, -Wa, and -Wl, have a comma
    | -std=[\w+:]+ | -ansi | -pedantic(-errors)?
    | -nostdinc | -nostdlibinc | -pipe | -Qunused-arguments
    | -g[0-3]? | -gdwarf(-[2-5])? | -gline-tables-only | -g(no-)?column-info
    | -m(cpu|arch)=[\w.+-]+ | -m(no-)?alu32 | -m(little|big)-endian
    | -fno-(?!integrated)[\w=-]+
    | -f(debug|file|macro)-prefix-map=.*
    | -f(function|data)-sections | -f(un)?signed-char | -fshort-enums | -fpack-struct(=\d+)?
    | -f(ms-extensions|ms-compatibility|gnu89-inline|common|freestanding|builtin|blocks)
    | -f(unroll-loops|inline-functions|inline-hint-functions|omit-frame-pointer|strict-aliasing|wrapv|jump-tables)
    | -f(color-diagnostics|diagnostics-show-option|error-limit=\d+|bracket-depth=\d+|visibility=\w+)
    """,
    re.VERBOSE | re.DOTALL,
)
HINT = (
    "suites give -D, -U, -I, -isystem, -iquote, -idirafter, -include, -O, -W, -w, -std=, -g, -mcpu=, -nostdinc, and of "
    "-f what shapes code; for all else, compile in your Makefile, and name the result by 'object:'"
)


def arguments(flags: list[str], folder: str) -> tuple[tuple[str, ...], dict[int, SuiteError]]:
    """Each option of *flags* in one word, with its path from *folder* on; and the mistakes, by the number of the flag.

    In one word no value begins an argument, where clang would read `@name` as a file of arguments.
    """
    words: list[str] = []
    mistakes: dict[int, SuiteError] = {}
    opened = ""  # an option whose value is the next flag
    for number, flag in enumerate(flags):
        if "\0" in flag:
            mistakes[number] = SuiteError("an argument of a program has no character of the value 0")
        elif opened or flag not in (*PATHS, *TEXTS):
            option = opened or next((one for one in (*PATHS, *TEXTS) if flag.startswith(one)), "")
            value = flag if opened else flag[len(option) :]
            if not option and not ALLOWED.fullmatch(flag):
                mistakes[number] = SuiteError(f"'{shown(flag)}' is no argument that a suite gives to clang", HINT)
            words.append(option + (_path(folder, value) if option in PATHS else value))
        opened = flag if not opened and flag in (*PATHS, *TEXTS) else ""
    if opened:
        mistakes[len(flags) - 1] = SuiteError(f"'{opened}' needs a value", f"in the same text, as in {opened}NAME")
    return tuple(words), mistakes


def _path(folder: str, value: str) -> str:
    path = os.path.join(folder, value)
    return os.path.join(os.curdir, path) if path.startswith("-") else path  # "-include" and "-pch" are an option, too
