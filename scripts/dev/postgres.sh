# Private PostgreSQL clusters, reached by a unix socket only:
#   main   the demo city; durable, kept until ./dev reset
#   test   for ./dev test and ./dev check; without fsync, made new for a run and deleted after it, so that a test can
#          neither touch the demo city nor meet what an earlier, killed run left behind
#   bench  for ./dev bench; made new and deleted as well, but durable like main, so that the figures are honest
# Authentication is "trust": whoever may enter the socket's folder (mode 700) is the owner of the data anyway.
# shellcheck shell=bash

# PostgreSQL refuses to run as root, and its own user cannot enter a checkout below /root (mode 700):
# started by root, it runs as "postgres" with its data under /var/lib/xinban, one folder a checkout.
if ((EUID == 0)); then
    db_user=postgres
    data_home=/var/lib/xinban/$checkout_id
else
    db_user=$(id -un)
    data_home=$local_dir/data
fi
declare -A pg_port=([main]=5432 [test]=5433 [bench]=5434) # names the socket file; no TCP port is opened
pg_bin=

as_db() {
    if ((EUID == 0)); then
        (cd / && exec setpriv --reuid postgres --regid postgres --init-groups -- env HOME="$data_home" "$@")
    else
        "$@"
    fi
}

# Finds the newest PostgreSQL that has PostGIS, or the one that made the existing data; sets pg_bin.
find_postgres() {
    local wanted='' version share candidates=()
    if [[ -f $data_home/main/PG_VERSION ]]; then wanted=$(<"$data_home/main/PG_VERSION"); fi
    mapfile -t candidates < <(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV)
    candidates+=("$(pg_config --bindir 2>/dev/null || true)") # elsewhere than Debian puts it
    for pg_bin in "${candidates[@]}"; do
        [[ -x $pg_bin/initdb ]] || continue
        version=$("$pg_bin/postgres" --version | sed -E 's/[^0-9]*([0-9]+).*/\1/')
        share=/usr/share/postgresql/$version
        if [[ ! -d $share ]]; then share=$(pg_config --sharedir 2>/dev/null || true); fi
        [[ -z $wanted || $wanted == "$version" ]] && ((version >= 15)) &&
            [[ -f $share/extension/postgis.control && -f $share/extension/btree_gist.control ]] && return 0
    done
    pg_bin=
    if [[ -n $wanted ]] && compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
        die "the data in $data_home were made by PostgreSQL $wanted, whose programs with PostGIS are gone; install postgresql-$wanted-postgis-3, or delete the data with ./dev reset."
    fi
    return 1
}

# Unix socket paths end at 107 bytes and a checkout's own path may be longer: a short folder below /tmp, chosen once.
socket_dir() { cat -- "$run_dir/socket-dir" 2>/dev/null || printf '/nonexistent'; }

make_socket_dir() {
    local dir
    dir=$(cat -- "$run_dir/socket-dir" 2>/dev/null) || dir=
    if [[ -n $dir && ! -e $dir ]]; then mkdir -m 700 -- "$dir" 2>/dev/null || dir=; fi # gone, as after a reboot: the same name again
    if [[ -z $dir || -L $dir || ! -O $dir && $(stat -c %U -- "$dir") != "$db_user" || $(stat -c %a -- "$dir") != 700 ]]; then
        dir=$(mktemp -d /tmp/xinban.XXXXXX) || die "no folder could be made in /tmp; make room or mend its permissions."
        printf '%s\n' "$dir" >"$run_dir/socket-dir"
    fi
    if ((EUID == 0)); then chown postgres -- "$dir"; fi
}

pg_log() { printf '%s/postgres-%s.log' "$data_home" "$1"; }

# The postmaster's pid, when the process of that number really serves this data directory.
pg_pid() {
    local pid data=$data_home/$1
    [[ -f $data/postmaster.pid ]] && read -r pid <"$data/postmaster.pid" 2>/dev/null && start_time "$pid" >/dev/null &&
        tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF -- "$data" && printf '%s' "$pid"
}
pg_running() { pg_pid "$1" >/dev/null && [[ -S $(socket_dir)/.s.PGSQL.${pg_port[$1]} ]]; }

# What the application connects as: in the demo city a role that owns no table and cannot change the audit record.
pg_url() {
    # Tests and benches make databases of their own: as the owner, with the maintenance database to start from.
    if [[ -n ${XINBAN_DATABASE_URL:-} ]]; then
        if [[ $1 == main ]]; then printf '%s' "$XINBAN_DATABASE_URL"; else printf '%s' "${XINBAN_OWNER_DATABASE_URL:-$XINBAN_DATABASE_URL}"; fi
    elif [[ $1 == main ]]; then
        pg_private_url main xinban_app xinban
    else
        pg_private_url "$1" xinban postgres
    fi
}

# What migrates and purges: the owner of the tables. Empty: XINBAN_DATABASE_URL is the only role.
pg_owner_url() {
    if [[ -n ${XINBAN_DATABASE_URL:-} ]]; then
        printf '%s' "${XINBAN_OWNER_DATABASE_URL:-}"
    elif [[ $1 == main ]]; then
        pg_private_url main xinban xinban
    fi
}

pg_private_url() { printf 'postgresql://%s@/%s?host=%s&port=%s' "$2" "$3" "$(socket_dir)" "${pg_port[$1]}"; }

pg_psql() { "$pg_bin/psql" -X -q -h "$(socket_dir)" -p "${pg_port[$1]}" -U xinban "${@:2}"; }

pg_create() {
    local data=$data_home/$1 options=()
    if ((EUID == 0)); then
        id postgres >/dev/null 2>&1 || die "there is no user postgres to run the database as; install Debian's package postgresql-common, or run ./dev as an ordinary user."
        install -d -m 755 /var/lib/xinban
        install -d -m 700 -o postgres -g postgres "$data_home"
    else
        mkdir -p -m 700 -- "$data_home"
    fi
    [[ -f $data/PG_VERSION ]] && return 0
    if [[ $1 == test ]]; then options+=(--no-sync); fi
    as_db rm -rf -- "$data.new"
    # Made under another name and moved: an interrupted start leaves no half cluster.
    run_step "Making a private PostgreSQL cluster ($1)" "$log_dir/initdb.log" \
        as_db "$pg_bin/initdb" -D "$data.new" -U xinban --auth-local=trust --auth-host=reject \
        --encoding=UTF8 --locale=C.UTF-8 "${options[@]}" ||
        die "the database cluster could not be made in $data_home; mend what the lines above say (disk full?)."
    as_db sh -c 'printf "%s\n" "include = '"'xinban.conf'"'" >>"$1/postgresql.conf" && mv -- "$1" "$2"' sh "$data.new" "$data"
}

pg_configure() {
    {
        printf "listen_addresses = ''\nunix_socket_directories = '%s'\nport = %s\n" "$(socket_dir)" "${pg_port[$1]}"
        printf '%s\n' "max_connections = 200" "shared_buffers = 256MB" "timezone = 'UTC'" "log_line_prefix = '%m [%p] %d '"
        if [[ $1 == test ]]; then
            printf '%s\n' "fsync = off" "synchronous_commit = off" "full_page_writes = off"
        fi
    } | as_db sh -c 'cat >"$1"' sh "$data_home/$1/xinban.conf"
}

# After kill -9 or a power cut the pid in the lock files may be another process by now, or a zombie: PostgreSQL would refuse
# to start. That our server does not run is known here, so the socket's lock can go; postmaster.pid gets a pid that
# cannot exist, since by its other lines PostgreSQL knows that children of a killed server are still writing.
forget_killed() {
    rm -f -- "$(socket_dir)/.s.PGSQL.${pg_port[$1]}" "$(socket_dir)/.s.PGSQL.${pg_port[$1]}.lock"
    if [[ -f $data_home/$1/postmaster.pid ]]; then as_db sed -i '1s/.*/2147483647/' "$data_home/$1/postmaster.pid"; fi
}

# pg_start main|test|bench
pg_start() {
    local data=$data_home/$1 log tries=10
    pg_running "$1" && return 0
    find_postgres || die "PostgreSQL with PostGIS is missing; run ./dev up, or install it: apt-get install postgresql-postgis"
    log=$(pg_log "$1")
    if pg_pid "$1" >/dev/null; then pg_halt "$1"; fi # runs, but its socket was deleted under it
    if [[ $1 != main ]]; then as_db rm -rf -- "$data"; fi
    make_socket_dir
    pg_create "$1"
    pg_configure "$1"
    forget_killed "$1"
    if ((EUID != 0)); then shorten_log "$log"; fi
    until (exec 8>&- 9>&- && as_db "$pg_bin/pg_ctl" -D "$data" -l "$log" -s -w -t 60 start) >"$log_dir/pg_ctl.log" 2>&1 </dev/null; do
        # After kill -9 of the server its children need a moment to notice and let go of the shared memory.
        tail -n 5 -- "$log" | grep -q 'pre-existing shared memory' && ((tries-- > 0)) || {
            tail -n 8 -- "$log" >&2
            die "PostgreSQL did not start; the reason is in $log."
        }
        sleep 1
    done
    started+=("postgres-$1")
    if [[ $1 == main && -z $(pg_psql main -d postgres -Atc "select 1 from pg_database where datname = 'xinban'") ]]; then
        pg_psql main -d postgres -c 'create database xinban'
    fi
}

pg_halt() {
    [[ -n $pg_bin ]] || find_postgres || return 0
    as_db "$pg_bin/pg_ctl" -D "$data_home/$1" -s -w -t 30 -m fast stop >/dev/null 2>&1 ||
        as_db "$pg_bin/pg_ctl" -D "$data_home/$1" -s -w -t 30 -m immediate stop >/dev/null 2>&1 || true
}

pg_stop() {
    if pg_pid "$1" >/dev/null; then pg_halt "$1"; fi
    if [[ $1 != main && -d $data_home/$1 ]]; then pg_delete "$1"; fi
}

pg_delete() {
    as_db rm -rf -- "$data_home/$1" "$data_home/$1.new" "$(pg_log "$1")" "$(pg_log "$1").1"
    rmdir -- "$data_home" 2>/dev/null || true # the last one out
}
