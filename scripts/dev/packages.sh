# What the system must have: Python with venv, PostgreSQL with PostGIS, Redis. Installed with apt when missing.
# shellcheck shell=bash

system_python=/usr/bin/python3

has_python() { "$system_python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# ensure_packages NAME...: names from python, postgres, redis, wrk; installs what is missing of them.
ensure_packages() {
    local need missing=()
    for need; do
        case $need in
            python) has_python || missing+=(python3-venv) ;;
            postgres) [[ -n ${XINBAN_DATABASE_URL:-} ]] || find_postgres || missing+=(postgresql-postgis) ;;
            redis) [[ -n ${XINBAN_REDIS_URL:-} ]] || find_redis || missing+=(redis-server) ;;
            wrk) command -v wrk >/dev/null || missing+=(wrk) ;;
        esac
    done
    ((${#missing[@]})) || return 0
    # The lines that ./dev prints to try use curl; a bare system has none.
    command -v curl >/dev/null || missing+=(curl)
    install_packages "${missing[@]}"
    for need; do
        case $need in
            python) has_python || die "$system_python is older than 3.11; use Debian 12, Ubuntu 24.04 or newer." ;;
            postgres) [[ -n ${XINBAN_DATABASE_URL:-} ]] || find_postgres || die "PostgreSQL with PostGIS is still not there after its installation; look at $log_dir/apt.log." ;;
            redis) [[ -n ${XINBAN_REDIS_URL:-} ]] || find_redis || die "redis-server is still not there after its installation; look at $log_dir/apt.log." ;;
        esac
    done
}

install_packages() {
    local as_root=()
    command -v apt-get >/dev/null ||
        die "this system has no apt; install Python 3.11+ with venv, PostgreSQL 15+ with PostGIS and Redis with its own package manager."
    if ((EUID != 0)); then
        # Asks for a password only when there is somebody to type it.
        if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || { [[ -t 0 && -t 1 ]] && sudo -v; }; }; then
            as_root=(sudo)
        else
            die "packages are missing and there is neither root nor sudo; ask the administrator to run: apt-get install --no-install-recommends $*"
        fi
    fi
    run_step "Installing $* with apt (first time: one or two minutes)" "$log_dir/apt.log" \
        "${as_root[@]}" bash "$root/scripts/dev/apt-install.sh" "$@" ||
        die "apt could not install $*; mend what the lines above say (no network? other apt running?) and run ./dev again."
}
