# The Python environment in .local/venv, from the lock files, and the lock files themselves.
# shellcheck shell=bash

venv=$local_dir/venv
python=$venv/bin/python

# ensure_venv runtime|dev: makes or completes the environment; does nothing when lock, project and path are as at the last time.
# The dev lock is a superset of the runtime lock, so an environment with it serves both.
ensure_venv() {
    local kind=$1 lock=requirements.lock stamp
    if [[ $kind == dev ]]; then lock=requirements-dev.lock; fi
    [[ -f $lock ]] || die "$lock is missing; take it from the repository again: git checkout $lock"
    if [[ ! -x $python ]] || ! "$python" -m pip --version >/dev/null 2>&1 || ! grep -qsxF "path $venv" "$venv/xinban-stamp"; then
        make_venv
    fi
    stamp="$kind $(sha256sum <"$lock")"
    if ! grep -qsxF "$stamp" "$venv/xinban-stamp"; then
        run_step "Installing $(grep -c '^[a-zA-Z]' "$lock") Python packages from $lock" "$log_dir/pip.log" \
            "$python" -m pip install --disable-pip-version-check --no-input --no-deps --require-hashes -r "$lock" ||
            die "pip could not install the packages of $lock; check the network and the index settings of pip, then run ./dev again (log: $log_dir/pip.log)."
        if [[ $kind == dev ]]; then
            write_stamps runtime "runtime $(sha256sum <requirements.lock)"
        fi
        write_stamps "$kind" "$stamp"
    fi
    stamp="project $(cat pyproject.toml scripts/dev/link_project.py | sha256sum)"
    if ! grep -qsxF "$stamp" "$venv/xinban-stamp"; then
        "$python" scripts/dev/link_project.py "$root" || die "the project could not be linked into $venv; see the lines above."
        write_stamps project "$stamp"
    fi
}

make_venv() {
    # An environment of another path (a moved or copied checkout) has wrong paths inside. One that ./dev did not make is kept.
    if [[ -e $venv ]] && { ! "$python" -m pip --version >/dev/null 2>&1 || grep -qs '^path ' "$venv/xinban-stamp"; }; then
        rm -rf -- "$venv"
    fi
    if [[ ! -e $venv ]]; then
        run_step "Making a Python environment" "$log_dir/venv.log" "$system_python" -m venv "$venv" ||
            die "the Python environment could not be made; install python3-venv (apt-get install python3-venv) and run ./dev again."
    fi
    write_stamps path "path $venv"
}

# write_stamps KIND LINE: replaces the line of that kind; written aside and moved, so an interrupted run leaves no half stamp.
write_stamps() {
    { grep -sv "^$1 " "$venv/xinban-stamp" || true; printf '%s\n' "$2"; } >"$venv/xinban-stamp.new"
    mv -f -- "$venv/xinban-stamp.new" "$venv/xinban-stamp"
}

cmd_lock() {
    lock_checkout
    ensure_packages python
    local tools=$local_dir/lock-tools common index
    if [[ ! -x $tools/bin/uv ]]; then
        "$system_python" -m venv "$tools" &&
            run_step "Installing uv" "$log_dir/uv.log" "$tools/bin/pip" install --disable-pip-version-check uv ||
            die "uv could not be installed; check the network and run ./dev lock again."
    fi
    # uv does not read pip's settings: hand on the index pip uses. --no-emit-* keeps its address out of the lock files.
    common=(--universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --quiet)
    if index=$("$tools/bin/pip" config get global.index-url 2>/dev/null); then common+=(--index-url "$index"); fi
    run_step "Resolving requirements.lock" "$log_dir/lock.log" \
        "$tools/bin/uv" pip compile "${common[@]}" "$@" -o requirements.lock pyproject.toml &&
        run_step "Resolving requirements-dev.lock" "$log_dir/lock.log" \
            "$tools/bin/uv" pip compile "${common[@]}" "$@" --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml ||
        die "the versions could not be resolved; mend pyproject.toml as the lines above say."
    say "Written: requirements.lock, requirements-dev.lock. The next ./dev installs what changed."
}
