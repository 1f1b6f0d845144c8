#!/bin/sh
# HealthCheckProgram= of slurm.conf: runs as root on each node every HealthCheckInterval seconds, with no PATH and
# SLURMD_NODENAME alone. README.md beside it says how to install it. Exit status 0 always.
fabricheck=/usr/bin/fabricheck
config=/etc/fabricheck/fabricheck.toml

log() { /usr/bin/logger -t fabricheck -p daemon.err -- "health check: $1" 2>/dev/null; }

if [ ! -x "$fabricheck" ]; then
  log "$fabricheck is missing or cannot be run"
  exit 0
fi
/usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin SLURMD_NODENAME="$SLURMD_NODENAME" SLURM_CONF="${SLURM_CONF-}" \
  "$fabricheck" node --profile health --slurm --config "$config" >/dev/null
status=$?
case $status in
  0) ;;
  2) log "fabricheck refused its options or configuration (status 2): fabricheck node --profile health --config $config says why" ;;
  *) log "fabricheck ended with status $status" ;;
esac
exit 0
