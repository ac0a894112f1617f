#!/usr/bin/env bash
# apt-install.sh PACKAGE...: installs Debian packages without letting them start or create servers (run as root by ./dev).
#
# Debian's postgresql creates a "main" cluster and starts it, redis-server starts on port 6379. While we install, both are
# forbidden: createcluster.d is PostgreSQL's own switch, policy-rc.d is what every package asks before it starts a service.
# Both files are taken back afterwards, so the machine's administrator finds the distribution's defaults unchanged.
set -euo pipefail

policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/xinban-dev.conf
mark="# xinban: temporary, while packages are installed"

restore() {
    rm -f "$cluster"
    if grep -qsF "$mark" "$policy"; then rm -f "$policy"; fi
    if [[ -e $policy.before-xinban ]]; then mv -f "$policy.before-xinban" "$policy"; fi
}
restore # a run that was killed may have left its files
trap restore EXIT

had_redis=$(command -v redis-server || true)

mkdir -p "${cluster%/*}"
printf '%s\ncreate_main_cluster = false\n' "$mark" >"$cluster"
if [[ -e $policy ]]; then mv -f "$policy" "$policy.before-xinban"; fi
printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=120 update
apt-get -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confold install -y --no-install-recommends "$@"

# What we brought must not start by itself at the next boot either.
if [[ -z $had_redis ]] && command -v redis-server >/dev/null; then
    update-rc.d redis-server disable || true # serves systemd and init scripts alike
fi
