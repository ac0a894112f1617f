# up, down, reset, status, logs, psql, xinban: the demo city and the processes that serve it.
# shellcheck shell=bash

private_postgres() { [[ -z ${XINBAN_DATABASE_URL:-} ]]; }
private_redis() { [[ -z ${XINBAN_REDIS_URL:-} ]]; }

# return_to_caller: before a command whose arguments are paths of the folder ./dev was called in.
return_to_caller() { cd -- "$caller_dir" 2>/dev/null || die "the folder you are in is gone: $caller_dir; change to one that exists."; }

# Keys of encrypted personal data: this checkout's own, unless some are given.
keys_file=$local_dir/keys
private_keys() { [[ -z ${XINBAN_KEYS:-}${XINBAN_KEYS_FILE:-}${XINBAN_KEYS_COMMAND:-} ]]; }
ensure_keys() {
    ! private_keys || [[ -f $keys_file ]] || "$venv/bin/xinban" keys create "$keys_file" >"$log_dir/keys.log" 2>&1 ||
        die "no keys could be made in $keys_file; the reason is in $log_dir/keys.log."
}

# with_servers main|test|bench COMMAND...: runs it with the settings that point at those servers.
with_servers() {
    local servers=$1 keys=${XINBAN_KEYS_FILE:-}
    shift
    if private_keys; then keys=$keys_file; fi
    XINBAN_DATABASE_URL=$(pg_url "$servers") XINBAN_REDIS_URL=$(redis_url "$servers") XINBAN_KEYS_FILE=$keys \
        XINBAN_OWNER_DATABASE_URL=${owner_url:-} XINBAN_PORT=$port XINBAN_ENV=${XINBAN_ENV:-development} "$@"
}

# as_owner COMMAND...: the same for the demo city, and told which role owns the tables; for what migrates and purges.
as_owner() {
    local owner_url
    owner_url=$(pg_owner_url main)
    with_servers main "$@"
}

api_url() { printf 'http://127.0.0.1:%s' "$(cat -- "$run_dir/port" 2>/dev/null || printf '%s' "$port")"; }

# Prints the body of a GET to our API; the status is 0 for HTTP 200 only. No curl: a bare machine has none.
http_get() {
    local url status line body=
    url=$(api_url)
    exec 3<>"/dev/tcp/127.0.0.1/${url##*:}" || return 1
    printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$1" >&3
    read -r -t 10 _ status _ <&3 || return 1
    while read -r -t 10 line <&3 && [[ $line != $'\r' ]]; do :; done
    IFS= read -r -t 10 -d '' body <&3 || true
    printf '%s' "$body"
    [[ $status == 200 ]]
}
ready() { (http_get /readyz) 2>/dev/null; }

all_running() {
    is_running api && is_running worker &&
        { ! private_postgres || pg_running main; } && { ! private_redis || is_running redis-main; }
}

banner() {
    local url
    url=$(api_url)
    cat <<TEXT

Xinban is up: $url   (documentation of the calls: $url/docs)

Try:
  curl '$url/v1/sites/nearby?lon=103.6150&lat=36.4820&crs=wgs84&category=meal_point&limit=3'
  curl '$url/v1/sites/nearby?lon=103.6150&lat=36.4820&crs=wgs84&category=health&open_at=now&limit=3'
  curl -G '$url/v1/search' --data-urlencode 'q=助餐'
TEXT
}

cmd_up() {
    local detach=
    case ${1:-} in
        --detach | -d) detach=yes ;;
        '') ;;
        *) die "up knows only --detach, not \"$1\"." ;;
    esac
    check_port_number
    lock_checkout
    if all_running; then
        if [[ -n ${XINBAN_PORT:-} && $(api_url) != *":$port" ]]; then
            say "It runs on another port than XINBAN_PORT=$port; to change it: ./dev down, then ./dev up."
        fi
        say "Already up, in another terminal or detached (./dev logs -f, ./dev down)."
        ready >/dev/null || say "But it is not ready yet; ./dev status and ./dev logs say why."
        banner
        return 0
    fi
    clean_up_with stop_what_started
    start_everything
    if [[ -n $detach ]]; then
        trap - EXIT INT TERM HUP
        banner
        printf '\nIt runs in the background: ./dev logs -f shows what it does, ./dev down stops it.\n'
        return 0
    fi
    banner
    printf '\nCtrl-C stops everything; ./dev logs -f in another terminal shows what it does.\n'
    clean_up_with 'lock_checkout; stop_everything'
    unlock_checkout
    watch_processes
}

start_everything() {
    if ! is_running api; then
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            die "port $port is taken by another program; choose a free one: XINBAN_PORT=$((port < 65535 ? port + 1 : 8001)) ./dev up"
        fi
    fi
    ensure_packages python postgres redis
    ensure_venv runtime
    ensure_keys
    if private_postgres; then pg_start main; fi
    if private_redis; then redis_start main; fi
    run_step "Migrating the database" "$log_dir/migrate.log" as_owner "$venv/bin/xinban" migrate ||
        die "the database could not be migrated; the lines above say why (a database of another version? ./dev reset makes a new one)."
    run_step "Seeding the demo city if it is empty" "$log_dir/seed.log" with_servers main "$venv/bin/xinban" seed --if-empty ||
        die "the demo city could not be seeded; the lines above say why (./dev reset starts afresh)."
    if ! is_running api; then
        printf '%s\n' "$port" >"$run_dir/port"
        with_servers main start_process api "$log_dir/api.log" "$venv/bin/xinban" serve --host 127.0.0.1 --port "$port"
    fi
    if ! is_running worker; then
        with_servers main start_process worker "$log_dir/worker.log" "$venv/bin/xinban" worker
    fi
    run_step "Waiting until it is ready" "$log_dir/ready.log" wait_until_ready ||
        die "the API did not become ready; the lines above and ./dev logs say why."
}

wait_until_ready() {
    local tries=600
    until ready >"$log_dir/readyz.json"; do
        if ! is_running api || ! is_running worker; then
            tail -n 8 -- "$log_dir/api.log" "$log_dir/worker.log"
            return 1
        fi
        if ((tries-- == 0)); then
            printf 'Last answer of /readyz after two minutes: %s\n' "$(cat "$log_dir/readyz.json")"
            return 1
        fi
        sleep 0.2
    done
}

watch_processes() {
    local name watched=(api worker)
    if private_redis; then watched+=(redis-main); fi
    while :; do
        for name in "${watched[@]}"; do
            is_running "$name" && continue
            if [[ ! -f $run_dir/$name.pid ]]; then
                say "Stopped by another ./dev."
                exit 0
            fi
            [[ ! -f $log_dir/$name.log ]] || tail -n 8 -- "$log_dir/$name.log" >&2
            die "$name ended by itself; stopping the rest. ./dev logs $name shows more; ./dev up starts again."
        done
        if private_postgres && ! pg_pid main >/dev/null; then
            [[ -f $run_dir/api.pid ]] || exit 0
            die "PostgreSQL ended by itself; stopping the rest. ./dev logs postgres shows more; ./dev up starts again."
        fi
        sleep 1 &
        wait $! # a trap runs at once during wait, but only after a foreground sleep
    done
}

# Takes back what this ./dev started, last first.
stop_what_started() {
    local i
    for ((i = ${#started[@]} - 1; i >= 0; i--)); do stop_one "${started[i]}"; done
}

stop_one() {
    case $1 in
        postgres-*) pg_stop "${1#postgres-}" ;;
        redis-*) redis_stop "${1#redis-}" ;;
        *) stop_process "$1" 30 ;; # longer than the 20 s that requests and jobs in progress get
    esac
}

stop_everything() {
    local name
    for name in api worker redis-main postgres-main; do stop_one "$name"; done
    # Servers that a killed test or bench left behind; those of a run in progress are in use and stay.
    for name in test bench; do
        if session_free "$name"; then
            stop_one "redis-$name"
            stop_one "postgres-$name"
        fi
    done
    rmdir -- "$(socket_dir)" 2>/dev/null || true
}

cmd_down() {
    no_arguments down "$@"
    lock_checkout
    local data="the data stay"
    if private_postgres; then data+=" in $data_home"; fi
    if private_postgres && [[ ! -d $data_home/main ]]; then data="it has no data; ./dev up makes a new database"; fi
    say "Stopping ..."
    stop_everything
    say "Everything of this checkout is stopped; $data."
}

cmd_reset() {
    local answer='' sure=
    case "$#:${1:-}" in
        0:) ;;
        1:--yes) sure=yes ;;
        *) die "reset knows only --yes, not \"$*\"; nothing deleted." ;;
    esac
    private_postgres ||
        die "XINBAN_DATABASE_URL is set: that database is yours to empty; ./dev reset deletes only a private one."
    if [[ -z $sure ]]; then
        [[ -t 0 ]] || die "reset deletes this checkout's database and there is no terminal to ask at; add --yes."
        read -r -p "Delete this checkout's database ($data_home)? [y/N] " answer || true # end of input is no yes
        [[ $answer == [yY]* ]] || die "nothing deleted."
    fi
    lock_checkout
    stop_everything
    if [[ -d $data_home/main ]]; then pg_delete main; fi
    say "Deleted. ./dev up makes a new database and seeds it."
}

cmd_status() {
    no_arguments status "$@"
    local name pid down=0
    for name in api worker redis-main; do
        if pid=$(running_pid "$name"); then
            printf '%-10s running (pid %s)\n' "${name%-main}" "$pid"
        elif [[ $name == redis-main ]] && ! private_redis; then
            printf '%-10s at XINBAN_REDIS_URL\n' redis
        else
            printf '%-10s stopped\n' "${name%-main}"
            down=1
        fi
    done
    if ! private_postgres; then
        printf '%-10s at XINBAN_DATABASE_URL\n' postgres
    elif pg_running main; then
        printf '%-10s running (pid %s)\n' postgres "$(pg_pid main)"
    else
        printf '%-10s stopped\n' postgres
        down=1
    fi
    if is_running api; then
        printf '%-10s %s (%s)\n' url "$(api_url)" "$(ready >/dev/null && echo ready || echo "not ready: ./dev logs api")"
    fi
    if private_postgres; then printf '%-10s %s\n' data "$data_home" 'database' "$(pg_owner_url main)"; fi
    printf '%-10s %s\n' logs "$log_dir"
    return "$down"
}

cmd_logs() {
    local follow=() files=() name
    for name; do
        case $name in
            -f | --follow) follow=(-F) ;;
            api | worker) files+=("$log_dir/$name.log") ;;
            redis) files+=("$log_dir/redis-main.log") ;;
            postgres) files+=("$(pg_log main)") ;;
            *) die "no log \"$name\"; there are api, worker, postgres and redis." ;;
        esac
    done
    if ((${#files[@]} == 0)); then
        for name in "$(pg_log main)" "$log_dir"/{redis-main,worker,api}.log; do
            if [[ -f $name ]]; then files+=("$name"); fi
        done
    fi
    ((${#files[@]})) && [[ -f ${files[0]} ]] || die "there are no logs yet; ./dev up starts something that writes them."
    exec tail -n 50 "${follow[@]}" -- "${files[@]}"
}

owner_or_only_url() {
    local owner
    owner=$(pg_owner_url main)
    printf '%s' "${owner:-$(pg_url main)}"
}

cmd_psql() {
    local client=psql
    if private_postgres; then
        pg_running main || die "the database does not run; start it with ./dev up."
        find_postgres && client=$pg_bin/psql
    else
        command -v psql >/dev/null || die "psql is missing; install it: apt-get install postgresql-client"
    fi
    return_to_caller
    # SQLAlchemy's driver suffix (postgresql+psycopg://) is unknown to psql.
    exec "$client" "$(owner_or_only_url | sed -E '1s/^postgres(ql)?\+[a-z0-9]+:/postgresql:/')" "$@"
}

cmd_xinban() {
    lock_checkout
    # Their messages go aside: standard output belongs to the command (./dev xinban export ... >file).
    ensure_packages python >&2
    ensure_venv runtime >&2
    ensure_keys
    unlock_checkout
    if private_postgres && ! pg_running main; then
        note "./dev: the private database does not run, so a command that needs it will fail; ./dev up starts it."
    fi
    return_to_caller
    as_owner exec "$venv/bin/xinban" "$@"
}
