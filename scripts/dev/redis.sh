# A private Redis (or Valkey) on a unix socket. It keeps nothing on disk: losing it loses no booking and no message.
# shellcheck shell=bash

redis_server=

find_redis() {
    redis_server=$(command -v redis-server || command -v valkey-server)
}

redis_socket() { printf '%s/redis-%s.sock' "$(socket_dir)" "$1"; }

# redis_start main|test|bench
redis_start() {
    local name=redis-$1 socket log=$log_dir/redis-$1.log tenths=100
    socket=$(redis_socket "$1")
    if is_running "$name"; then
        [[ -S $socket ]] && return 0
        stop_process "$name" 5 # its socket was deleted under it
    fi
    find_redis || die "redis-server is missing; run ./dev up, or install it: apt-get install redis-server"
    make_socket_dir
    rm -f -- "$socket"
    # Port 0: no TCP. Evicting any key beats refusing writes: what is here can be made again.
    start_process "$name" "$log" "$redis_server" --port 0 --unixsocket "$socket" --unixsocketperm 700 \
        --daemonize no --save '' --appendonly no --maxmemory 256mb --maxmemory-policy allkeys-lru --dir "$run_dir"
    until [[ -S $socket ]]; do
        is_running "$name" && ((tenths-- > 0)) || {
            tail -n 5 -- "$log" >&2
            die "Redis did not start; the reason is in $log."
        }
        sleep 0.1
    done
}

redis_stop() { stop_process "redis-$1" 10; }

redis_url() {
    if [[ -n ${XINBAN_REDIS_URL:-} ]]; then
        printf '%s' "$XINBAN_REDIS_URL"
    else
        printf 'unix://%s?db=0' "$(redis_socket "$1")"
    fi
}
