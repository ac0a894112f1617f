# Paths, messages, the checkout's lock and the records of running processes.
# shellcheck shell=bash disable=SC2034

local_dir=$root/.local
checkout_id=$(printf '%s' "$root" | sha256sum | cut -c1-12)
run_dir=$local_dir/run/$checkout_id # by path: a copied checkout must not take the original's processes for its own
log_dir=$local_dir/log
port=${XINBAN_PORT:-8000}

# A person's Python settings must not leak into the private environment, and output is UTF-8 on any locale.
unset PYTHONHOME PYTHONPATH
export PYTHONUTF8=1

say() { printf '%s\n' "$*"; }
note() { printf '%s\n' "$*" >&2; }
die() {
    printf './dev: %s\n' "$*" >&2
    exit 1
}

# no_arguments COMMAND "$@": a mistyped option must not be taken for the plain command.
no_arguments() { (($# == 1)) || die "$1 takes no arguments, not \"${*:2}\"."; }

make_local_dirs() {
    mkdir -p -- "$run_dir" "$log_dir" 2>/dev/null && [[ -w $run_dir && -w $log_dir ]] ||
        die "cannot write to $local_dir; it may belong to another user: run ./dev as that user, or chown the folder."
}

check_port_number() {
    [[ $port =~ ^[1-9][0-9]{0,4}$ ]] && ((port <= 65535)) ||
        die "XINBAN_PORT=$port is not a port number; set it to a number from 1 to 65535."
}

# run_step LABEL LOG COMMAND...: shows the label and the seconds, keeps the output in LOG, returns the command's status.
run_step() {
    local label=$1 log=$2 began=$SECONDS status=0
    shift 2
    if [[ -t 1 ]]; then
        (while sleep 1 && kill -0 $$; do printf '\r%s ... %d s ' "$label" $((SECONDS - began)); done) 2>/dev/null 8>&- 9>&- &
        ticker=$!
    fi
    printf '%s ... ' "$label"
    "$@" >"$log" 2>&1 </dev/null || status=$?
    stop_ticker
    if [[ -t 1 ]]; then printf '\r%s ... ' "$label"; fi
    if ((status == 0)); then
        printf '%d s\n' $((SECONDS - began))
    else
        printf 'FAILED\n'
        tail -n 15 -- "$log" >&2
    fi
    return "$status"
}

ticker=
stop_ticker() {
    [[ -n $ticker ]] || return 0
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
    ticker=
}

# clean_up_with COMMANDS: run at the end however it comes, Ctrl-C and a second Ctrl-C included.
clean_up_with() {
    # shellcheck disable=SC2064
    trap "trap '' INT TERM HUP; stop_ticker; $*" EXIT
    trap 'say; say "Stopping ..."; exit 130' INT
    trap 'exit 143' TERM HUP
}

# One ./dev at a time changes what runs in this checkout. Descriptor 9 holds the lock; nothing that outlives us may inherit it.
lock_checkout() {
    make_local_dirs
    exec 9>"$run_dir/dev.lock"
    if ! flock -n 9; then
        note "Another ./dev is starting or stopping things in this checkout; waiting for it ..."
        flock 9
    fi
}
unlock_checkout() { exec 9>&-; }

# Processes are recorded as "pid, start time, boot": a number reused after a crash or a reboot is not mistaken for ours.
boot_id() { cat /proc/sys/kernel/random/boot_id; }

# Start time in clock ticks since boot (field 22 of /proc/PID/stat); fails for a process that is gone or a zombie.
start_time() {
    local stat fields
    # Not $(<file): under set -e bash ends without a word when there is no such file.
    stat=$(cat -- "/proc/$1/stat" 2>/dev/null) || return 1
    read -r -a fields <<<"${stat##*) }"
    [[ ${fields[0]} != [ZX] ]] && printf '%s' "${fields[19]}"
}

record_process() { printf '%s %s %s\n' "$2" "$(start_time "$2" || echo gone)" "$(boot_id)" >"$run_dir/$1.pid"; }

# Prints the pid of the process recorded under that name; fails when it does not run.
running_pid() {
    local pid started boot
    [[ -f $run_dir/$1.pid ]] || return 1
    read -r pid started boot <"$run_dir/$1.pid" || return 1
    [[ $pid =~ ^[0-9]+$ && $boot == "$(boot_id)" && $started == "$(start_time "$pid")" ]] && printf '%s' "$pid"
}
is_running() { running_pid "$1" >/dev/null; }

started=() # what this very ./dev started, so that a failed start takes back just that

# start_process NAME LOG COMMAND...: in a session of its own, so that Ctrl-C reaches ./dev only and the stop is orderly.
start_process() {
    local name=$1 log=$2
    shift 2
    shorten_log "$log"
    setsid -- "$@" >>"$log" 2>&1 </dev/null 8>&- 9>&- &
    record_process "$name" $!
    disown
    started+=("$name")
}

# stop_process NAME SECONDS: asks, waits, then kills the whole process group.
stop_process() {
    local pid tenths=$(($2 * 10))
    # The record is renamed first: ./dev up, watching in another terminal, sees that the end was asked for.
    if [[ -f $run_dir/$1.pid ]]; then mv -f -- "$run_dir/$1.pid" "$run_dir/$1.stopping.pid"; fi
    if pid=$(running_pid "$1.stopping"); then
        kill -TERM "$pid" 2>/dev/null || true
        while is_running "$1.stopping" && ((tenths-- > 0)); do sleep 0.1; done
        kill -KILL -- "-$pid" 2>/dev/null || true
    fi
    rm -f -- "$run_dir/$1.stopping.pid"
}

shorten_log() { # keeps one older piece of a log of more than 20 MB
    if [[ -f $1 ]] && (($(stat -c %s -- "$1") > 20000000)); then mv -f -- "$1" "$1.1"; fi
}
