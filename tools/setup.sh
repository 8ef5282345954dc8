#!/usr/bin/env bash
# Installs, with apt-get on Debian and Ubuntu, what this machine lacks of the needs that are named:
#
#   tools/setup.sh PYTHON NEED...      a need is one of: venv clang libbpf headers bpftool browser
#
# Asks no questions, leaves alone what is there, and says what to do where apt-get cannot help.
set -euo pipefail

python=$1
shift
export PATH="$PATH:/usr/sbin:/sbin" # where Debian keeps bpftool, and where only root's PATH looks

say() { printf 'bpftest setup: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

# One question a need: is it there?

has_venv() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }

has_clang() {
    local name
    for name in $(compgen -c clang | grep -xE 'clang(-[0-9]+)?' | sort -u); do
        [[ $("$name" -dumpversion) =~ ^[0-9]+ ]] && ((BASH_REMATCH[0] >= 14)) && return
    done
    return 1
}

has_libbpf() { "$python" -c 'import ctypes; ctypes.CDLL("libbpf.so.1")' 2>/dev/null; }

has_headers() { [[ -e /usr/include/bpf/bpf_helpers.h || -e /usr/local/include/bpf/bpf_helpers.h ]]; }

has_bpftool() { bpftool version >/dev/null 2>&1; } # Ubuntu's is a wrapper, which fails without the running kernel's tools

has_browser() { # as tests/browser.py looks for it
    [[ $(compgen -c | grep -xE 'chromium-headless-shell|chromium|chromium-browser|google-chrome') ]]
}

# The packages that bring it, best first; and what to say where none does.

packages_of() {
    case $1 in
    venv) echo "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv" python3-venv ;;
    clang) echo clang-16 clang ;; # Debian 12 has both, and its clang is 14
    libbpf) echo libbpf1 ;;
    headers) echo libbpf-dev ;;
    browser) echo chromium-headless-shell chromium ;;
    bpftool) echo bpftool "linux-tools-$(uname -r)" linux-tools-generic ;; # Debian; Ubuntu; Ubuntu on a kernel not its own
    esac
}

advice_for() {
    case $1 in
    venv) echo "$python has no venv module: install it, or name another Python, as in: make PYTHON=python3.12" ;;
    clang) echo "there is no clang 14 or newer, which compiles the BPF programs" ;;
    libbpf) echo "there is no libbpf.so.1. Debian 12 and Ubuntu 24.04 have it; Ubuntu 22.04 has libbpf 0.5 only:" \
        "build libbpf 1.x from https://github.com/libbpf/libbpf there" ;;
    headers) echo "there is no bpf/bpf_helpers.h, which comes with libbpf's development package" ;;
    browser) echo "there is no Chromium, in which tests look at the HTML report" ;;
    bpftool) echo "there is no bpftool for this kernel: programs that include vmlinux.h will not compile" ;;
    esac
}

# What is missing, and one installation for all of it.

missing_of() {
    local need
    for need in "$@"; do
        "has_$need" || echo "$need"
    done
}

available_of() {
    local name
    for name in $(packages_of "$1"); do
        if [[ $(apt-cache policy "$name") == *"Candidate: "[!\(]* ]]; then # not "(none)"
            echo "$name"
            return
        fi
    done
}

apt_get() {
    local command=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@")
    ((EUID == 0)) || command=(sudo "${command[@]}")
    "${command[@]}" </dev/null >/dev/null
}

install() {
    ((EUID == 0)) || command -v sudo >/dev/null || fail "missing: $*. There is no sudo: run this once as root"
    apt_get update || say "apt-get update failed; going on with the package lists that are here"
    local packages
    mapfile -t packages < <(for need in "$@"; do available_of "$need"; done)
    ((${#packages[@]})) || return 0
    say "installing ${packages[*]}"
    apt_get install --yes --no-install-recommends "${packages[@]}"
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "Python 3.10 or newer is needed, and '$python' is not: name another, as in: make PYTHON=python3.12"

mapfile -t missing < <(missing_of "$@")
((${#missing[@]})) || exit 0
if command -v apt-get >/dev/null; then install "${missing[@]}"; fi

status=0
for need in $(missing_of "${missing[@]}"); do
    say "$(advice_for "$need")"
    [[ $need =~ ^(bpftool|browser)$ ]] || status=1 # only some suites want bpftool, and some tests a browser; they say so themselves
done
exit $status
