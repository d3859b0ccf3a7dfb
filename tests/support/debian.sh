# For the scripts that install packages of Debian: sourced by them, never run.
# Before it is sourced `left_out` must say what goes without the packages, and how.

policy=/usr/sbin/policy-rc.d
our_policy=
log=

# Says why, and ends the script: with an error in CI only (CI=true).
leave_out() {
    echo "$left_out: $1"
    [ -z "$log" ] || tail -n 15 "$log"
    [ "${CI:-}" != true ]
    exit
}

clean_up() {
    [ -z "$our_policy" ] || rm -f "$policy"
    [ ! -e "$policy.mailsluice" ] || mv "$policy.mailsluice" "$policy"
    [ -z "$log" ] || rm -f "$log"
}

# A package's scripts start its service unless this program says 101, "forbidden".
forbid_services() {
    if [ -x "$policy" ]; then
        "$policy" "$1" start >/dev/null 2>&1
        [ $? -ne 101 ] || return 0
        mv "$policy" "$policy.mailsluice"
    fi
    our_policy=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

# Installs a package and starts nothing. Whether it did the caller has to see: old lists may do, and a script
# denied its service may still have done its work, so that no status says it.
install_package() {
    command -v apt-get >/dev/null || leave_out "this is not a Debian system, whose package $1 is needed"
    [ "$(id -u)" -eq 0 ] || leave_out "$1 is not installed; run this as root to install it"
    trap clean_up EXIT
    trap 'exit 130' INT TERM
    log=$(mktemp)
    forbid_services "$1"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq -o DPkg::Lock::Timeout=120 update >>"$log" 2>&1 </dev/null
    apt-get -qq -o DPkg::Lock::Timeout=120 install --yes --no-install-recommends "$1" >>"$log" 2>&1 </dev/null
}

# Nor at the next start of the machine: what is installed here is started by those who need it.
disable_service() {
    systemctl --quiet disable "$1.service" >>"$log" 2>&1
}
