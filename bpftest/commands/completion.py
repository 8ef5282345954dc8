"""`bpftest completion`: a script that completes bpftest's commands in a shell.

The script holds all that the parsers know, so pressing Tab starts no Python; but for the cases of a suite, behind
FILE::, for which it calls `bpftest list`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from argparse import Action, ArgumentParser, Namespace

SUITES, FILES = "suites", "files"  # what a value may be, beside one of its choices
OF_METAVAR = {"PATH": FILES, "FILE": FILES, "OUT": FILES, "IN": FILES, "FOLDER": FILES, "PACKET": SUITES}
OF_OPERAND = {"paths": SUITES}  # by dest, where the metavar says less

HEAD = "made by `bpftest completion {shell}`; make it anew after an update of bpftest"


class Option(NamedTuple):
    """An option of a command."""

    names: tuple[str, ...]  # "-x", "--exitfirst"
    help: str
    value: bool = False  # it takes one, in the next word
    choices: tuple[str, ...] = ()  # of the value
    kind: str = ""  # of the value: FILES, or "" for any text


class Command(NamedTuple):
    """A command of bpftest."""

    name: str
    help: str
    options: tuple[Option, ...]
    words: tuple[str, ...] = ()  # what its operand may be
    operand: str = ""  # SUITES, FILES, or "" for what cannot be completed


def arguments(parser: ArgumentParser) -> None:
    """Which shell."""
    parser.epilog = """
bash:  eval "$(bpftest completion bash)"              in ~/.bashrc
zsh:   bpftest completion zsh > DIR/_bpftest          DIR being one of $fpath
fish:  bpftest completion fish > ~/.config/fish/completions/bpftest.fish
"""
    parser.add_argument("shell", choices=tuple(SHELLS), help="the shell that is to complete")


def run(options: Namespace) -> int:
    """Prints the script."""
    lines = [f"# {HEAD.format(shell=options.shell)}", *SHELLS[options.shell](commands())]
    if options.shell == "zsh":
        lines.insert(0, "#compdef bpftest")  # which zsh looks for in the first line
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def commands() -> tuple[Command, ...]:
    """The commands, as their parsers describe them."""
    from bpftest.commands import COMMANDS

    return tuple(_command(name, help_, _parser(name)) for name, help_ in COMMANDS.items())


def _parser(name: str) -> ArgumentParser:
    parser = argparse.ArgumentParser()
    import_module(f"bpftest.commands.{name}").arguments(parser)
    return parser


def _command(name: str, help_: str, parser: ArgumentParser) -> Command:
    """The command with the options and operands of its own sub-commands among its own."""
    actions = list(_actions(parser))
    operands = [one for one in actions if not one.option_strings]
    words = tuple(str(word) for one in operands for word in one.choices or ())
    kinds = [_kind(one) for one in operands]
    operand = next((kind for kind in (SUITES, FILES) if kind in kinds), "")
    options = {one.option_strings[0]: _option(one) for one in actions if one.option_strings}
    return Command(name, help_, tuple(options.values()), words, operand)


def _actions(parser: ArgumentParser) -> Iterator[Action]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask
        if action.help != argparse.SUPPRESS:
            yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - the same
            for below in action.choices.values():
                yield from _actions(below)


def _option(action: Action) -> Option:
    names, help_ = tuple(action.option_strings), " ".join((action.help or "").split()).replace("%%", "%")
    choices = tuple(str(one) for one in action.choices or ())
    optional = str(action.metavar or "").startswith("[=")  # --update-snapshots[=new|all]
    if optional:
        return Option((*names, *(f"{names[-1]}={one}" for one in choices)), help_)
    return Option(names, help_, action.nargs != 0, choices, _kind(action))


def _kind(action: Action) -> str:
    return OF_OPERAND.get(action.dest) or OF_METAVAR.get(str(action.metavar), "")


# --- bash ---------------------------------------------------------------------------------------------------------

# The words that bash splits at ':' and '=' are put together again, since both stand in the names of cases and options;
# readline replaces only what is behind the last of them.
BASH = r"""_bpftest() {
    local at=$COMP_CWORD cur=${COMP_WORDS[COMP_CWORD]} quoted='' head='' command='' one
    while ((at > 1)) && [[ ${COMP_WORDS[at]} == *([:=]) || ${COMP_WORDS[at - 1]} == +([:=]) ]]; do
        [[ -z ${COMP_WORDS[at]} && ${COMP_WORDS[at - 1]} != +([:=]) ]] && break
        ((at--))
        cur=${COMP_WORDS[at]}$cur
    done
    if [[ $cur == [\'\"]* ]]; then
        quoted=${cur:0:1} cur=${cur:1}
    else
        cur=${cur//\\/}
        [[ $COMP_WORDBREAKS == *:* && $cur == *:* ]] && head=${cur%"${cur##*:}"}
        [[ $COMP_WORDBREAKS == *=* && ${cur:${#head}} == *=* ]] && head=${cur%"${cur##*=}"}
    fi
    for one in "${COMP_WORDS[@]:1:at - 1}"; do
        case $one in
            @COMMANDS@) command=$one && break ;;
        esac
    done
    local options='--help --version' words='@WORDS@' operand=''
    case $command in
@CASES@
    esac
    local previous=${COMP_WORDS[at - 1]} before='' value=$cur
    [[ $cur == --*=* ]] && previous=${cur%%=*} before=${cur%%=*}= value=${cur#*=}
    case $command:$previous in
@VALUES@
        *)
            before='' value=$cur
            [[ $cur == -* ]] && words=$options operand=''
            ;;
    esac
    COMPREPLY=()
    while IFS= read -r one; do
        [[ -n $one && $one == "$value"* ]] && _bpftest_reply "$one"
    done < <(
        tr ' ' '\n' <<<"$words"
        case $operand:$value in
            suites:*::*) bpftest list -- "${value%%::*}" 2>/dev/null | grep -v "^[$]'" ;;
        esac
    )
    case $operand:$value in
        suites:*::*) ;;
        suites:* | files:*)
            while IFS= read -r one; do
                if [[ -d $one ]]; then
                    compopt -o nospace
                    _bpftest_reply "$one" /
                elif [[ $operand == files || $one == *.@(yaml|yml|pcap|pcapng|gz) ]]; then
                    _bpftest_reply "$one"
                fi
            done < <(compgen -f -- "$value")
            ;;
    esac
}

_bpftest_reply() { # a word, and what follows it: as it is inside quotation marks, else quoted
    local word=$before$1
    word=${word:${#head}}
    [[ -n $quoted ]] || printf -v word %q "$word"
    COMPREPLY+=("$word$2")
}

shopt -s extglob
complete -F _bpftest bpftest"""


def _bash(found: tuple[Command, ...]) -> Iterator[str]:
    names = [one.name for one in found]
    cases = (
        f"        {one.name}) options={quote(' '.join(_names(one)))} words={quote(' '.join(one.words))} "
        f"operand={one.operand} ;;"
        for one in found
    )
    values = (
        f"        {one.name}:{name}) words={quote(' '.join(option.choices))} operand={option.kind} ;;"
        for one in found
        for option in one.options
        if option.value
        for name in option.names
    )
    yield (
        BASH.replace("@COMMANDS@", " | ".join(names))
        .replace("@WORDS@", " ".join(names))
        .replace("@CASES@", "\n".join(cases))
        .replace("@VALUES@", "\n".join(values))
    )


def _names(command: Command) -> list[str]:
    return [name for option in command.options for name in option.names]


# --- zsh ----------------------------------------------------------------------------------------------------------

ZSH = r"""_bpftest() {
    local command=${words[(r)(@COMMANDS@)]} operand='' case_ids
    local -a options choices
    if [[ -z $command || $command == ${words[CURRENT]} && $CURRENT == 2 ]]; then
        choices=(@LIST@)
        [[ $PREFIX == -* ]] && choices=('--help:show the help' '--version:show the version')
        _describe -V command choices
        return
    fi
    case $command in
@CASES@
    esac
    local previous=${words[CURRENT - 1]}
    if [[ $PREFIX == --*=* && -z ${options[(r)${PREFIX%%=*}=*]} ]]; then
        previous=${PREFIX%%=*}
        compset -P '*='
    fi
    case $command:$previous in
@VALUES@
        *)
            if [[ $PREFIX == -* ]]; then
                _describe -o option options
                return
            fi
            ;;
    esac
    (( $#choices )) && compadd -- $choices
    case $operand:$PREFIX in
        suites:*::*)
            case_ids=(${(f)"$(_call_program cases bpftest list -- ${(q)${(Q)PREFIX}%%::*})"})
            compadd -- ${case_ids:#\$\'*}
            ;;
        suites:* | files:*) _files ;;
    esac
}

(( $+functions[compdef] )) && [[ ${funcstack[1]} != _bpftest ]] && compdef _bpftest bpftest
[[ ${funcstack[1]} == _bpftest ]] && _bpftest "$@" || :"""


def _zsh(found: tuple[Command, ...]) -> Iterator[str]:
    names = "|".join(one.name for one in found)
    cases = (
        f"        {one.name}) options=({' '.join(_described(one))}) "
        f"choices=({' '.join(map(quote, one.words))}) operand={one.operand} ;;"
        for one in found
    )
    values = (
        f"        {one.name}:{name}) choices=({' '.join(map(quote, option.choices))}) operand={option.kind} ;;"
        for one in found
        for option in one.options
        if option.value
        for name in option.names
    )
    yield (
        ZSH.replace("@COMMANDS@", names)
        .replace("@LIST@", " ".join(quote(f"{one.name}:{one.help}") for one in found))
        .replace("@CASES@", "\n".join(cases))
        .replace("@VALUES@", "\n".join(values))
    )


def _described(command: Command) -> Iterator[str]:
    for option in command.options:
        yield from (quote(f"{name}:{option.help}") for name in option.names)


# --- fish ---------------------------------------------------------------------------------------------------------

FISH = """\
function __bpftest_cases
    set -l word (commandline -ct | string unescape)
    string match -q '*::*' -- "$word"; or return
    bpftest list -- (string split -m1 :: -- "$word")[1] 2>/dev/null | string match -v -- "\\$'*"
end
complete -c bpftest -n __fish_use_subcommand -f"""


def _fish(found: tuple[Command, ...]) -> Iterator[str]:
    yield FISH
    yield "complete -c bpftest -n __fish_use_subcommand -l help -l version"
    for one in found:
        yield f"complete -c bpftest -n __fish_use_subcommand -a {one.name} -d {_fish_word(one.help)}"
    for one in found:
        start = f"complete -c bpftest -n '__fish_seen_subcommand_from {one.name}'"
        if one.operand == SUITES:
            yield f"{start} -a '(__bpftest_cases)'"
        elif one.operand != FILES:
            yield f"{start} -f"
        if one.words:
            yield f"{start} -a {_fish_word(' '.join(one.words))}"
        for option in one.options:
            yield f"{start} {' '.join(_fish_option(option))}"


def _fish_option(option: Option) -> Iterator[str]:
    for name in option.names:
        if "=" not in name:  # fish offers a value of its own only where one is needed
            yield f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
    if option.value:
        yield "-r" if option.kind else "-x"
    if option.choices:
        yield f"-a {_fish_word(' '.join(option.choices))}"
    yield f"-d {_fish_word(option.help)}"


def _fish_word(text: str) -> str:
    """*text* as one word: in fish a backslash escapes inside of single quotes too."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


SHELLS: dict[str, Callable[[tuple[Command, ...]], Iterator[str]]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
