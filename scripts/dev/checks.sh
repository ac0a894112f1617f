# test, check, bench: on servers of their own (see postgres.sh), which stop with the last run that uses them.
# shellcheck shell=bash

# Every run holds the session's lock shared (descriptor 8); who can get it alone is the last one.
session_free() { (exec 8>>"$run_dir/$1.session" && flock -n -x 8) }

# open_session test|bench
open_session() {
    session=$1
    make_local_dirs
    lock_checkout
    clean_up_with close_session
    ensure_packages python postgres redis "${@:2}"
    ensure_venv dev
    ensure_keys
    exec 8>>"$run_dir/$session.session"
    flock -s 8
    if private_postgres; then pg_start "$session"; fi
    if private_redis; then redis_start "$session"; fi
    unlock_checkout
}

close_session() {
    lock_checkout
    exec 8>&-
    if session_free "$session"; then
        stop_one "redis-$session"
        stop_one "postgres-$session"
    fi
}

# in_session COMMAND...: with the session's servers and without our locks. A subshell, since a redirection on the call would
# keep a hidden copy of the lock's descriptor open, and Ctrl-C could not find the session free.
in_session() { (exec 8>&- 9>&- && with_servers "$session" exec "$@"); }

cmd_test() {
    local arg arguments=() workers cores=2 status=0
    cores=$(nproc)
    # Two a core: half of a test's time is waiting for a process to answer or to end. tests/sharing.py gives each whole files.
    workers=(-n "$((cores < 4 ? 2 * cores : 8))")
    for arg; do
        case $arg in
            --long) export XINBAN_TEST_LONG=1 ;;
            -n* | --numprocesses* | --pdb | no:xdist) workers=() && arguments+=("$arg") ;;
            *) arguments+=("$arg") ;;
        esac
    done
    # Each worker would rewrite and compile every test file anew: 3 s of a core each.
    unset PYTHONDONTWRITEBYTECODE
    open_session test
    in_session "$python" -m pytest "${workers[@]}" "${arguments[@]}" || status=$?
    return "$status"
}

cmd_check() {
    no_arguments check "$@"
    local failed=() passed=0
    open_session test
    one_check "ruff check" ruff check .
    one_check "ruff format" ruff format --check .
    one_check "mypy" mypy
    one_check "import-linter" lint-imports
    one_check "alembic check" check_migrations
    one_check "house rules" pytest -q tests/test_house.py
    say
    if ((${#failed[@]})); then
        printf 'check: %d passed, %d failed: %s\n' "$passed" "${#failed[@]}" "$(printf '%s; ' "${failed[@]}" | sed 's/; $//')"
        return 1
    fi
    printf 'check: %d passed, 0 failed\n' "$passed"
}

one_check() {
    local name=$1 log=$log_dir/check.log began=$SECONDS
    shift
    printf '%-14s ... ' "$name"
    if in_venv "$@" >"$log" 2>&1 </dev/null; then
        printf 'ok, %d s\n' $((SECONDS - began))
        passed=$((passed + 1))
    else
        printf 'FAILED, %d s\n' $((SECONDS - began))
        sed 's/^/    /' "$log"
        failed+=("$name")
    fi
}

in_venv() {
    if declare -F "$1" >/dev/null; then "$@"; else in_session "$venv/bin/$1" "${@:2}"; fi
}

# The migrations, run on an empty database, must give exactly the tables of the models.
check_migrations() {
    local url status=0
    url=$(in_session "$python" scripts/dev/scratch_database.py create) || return 1
    (
        export XINBAN_DATABASE_URL=$url
        in_session "$venv/bin/xinban" migrate && in_session "$venv/bin/xinban" migrate --check
    ) || status=1
    in_session "$python" scripts/dev/scratch_database.py drop "$url" || status=1
    return "$status"
}

cmd_bench() {
    open_session bench wrk
    in_session "$python" -m bench "$@"
}
