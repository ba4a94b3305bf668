# shellcheck shell=bash
# What ./run and ./test share: finding tools, and installing what is missing where that is allowed.

say() { printf '%s\n' "$*" >&2; }

needed=()

# need COMMAND PACKAGE...: notes the Debian packages when there is no such command.
need() {
    local command=$1
    shift
    # Servers live in sbin, which an ordinary user's PATH leaves out.
    PATH="$PATH:/usr/sbin:/sbin" command -v "$command" >/dev/null 2>&1 || needed+=("$@")
}

# Rust comes from its own installer, which changes a home folder: that is for its owner to decide.
need_cargo() {
    # rustup puts it there; a shell that was open during the installation does not know yet.
    if ! command -v cargo >/dev/null 2>&1 && [[ -x ${CARGO_HOME:-${HOME:-/nonexistent}/.cargo}/bin/cargo ]]; then
        PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    fi
    if ! command -v cargo >/dev/null 2>&1; then
        say "Rust is missing: there is no cargo on the PATH. Install it as described at https://rustup.rs and try again."
        exit 1
    fi
}

# install_needed [SERVICE...]: installs what was noted, or names the command and exits with 1. Each SERVICE, which one of
# the packages may bring, is neither started nor enabled.
install_needed() {
    ((${#needed[@]})) || return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        say "Missing, by the names of their Debian packages: ${needed[*]}. Install them and try again."
        exit 1
    fi
    as=()
    if ((EUID != 0)); then
        # -n: never stop at a question for a password.
        if ! command -v sudo >/dev/null 2>&1 || ! sudo -n true 2>/dev/null; then
            say "Missing: ${needed[*]}. Install them with this command and try again:"
            say "    sudo apt-get install --no-install-recommends ${needed[*]}"
            exit 1
        fi
        as=(sudo -n)
    fi

    say "Installing: ${needed[*]}"
    local service silence=() installed=yes
    # Debian starts a service when its package is installed. Without systemd RUNLEVEL=1 prevents that; systemd does not
    # ask for it, so there the service is masked meanwhile. One that was there before is its owner's business.
    for service in "$@"; do
        if [[ -d /run/systemd/system ]] && ! systemctl cat "$service" >/dev/null 2>&1; then
            silence+=("$service")
            "${as[@]}" systemctl --quiet mask "$service"
        fi
    done
    # The package lists may be missing or old; then once more with new ones.
    apt_install || { "${as[@]}" apt-get update -qq >&2 && apt_install; } || installed=no
    for service in "${silence[@]}"; do
        "${as[@]}" systemctl --quiet unmask "$service"
        "${as[@]}" systemctl --quiet disable "$service" >/dev/null 2>&1 || true
    done
    if [[ $installed == no ]]; then
        say "Could not install ${needed[*]}. Install them by hand and try again."
        exit 1
    fi
    needed=()
}

apt_install() {
    "${as[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y -qq --no-install-recommends "${needed[@]}" >&2
}
