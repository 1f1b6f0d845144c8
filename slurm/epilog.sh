#!/bin/sh
# Epilog= of slurm.conf: runs as root on each node after a job, with no PATH. README.md beside it says how to install it.
# Exit status 0 always: it drains by itself what has to be drained, in its own words.
fabricheck=/usr/bin/fabricheck
config=/etc/fabricheck/fabricheck.toml

log() { /usr/bin/logger -t fabricheck -p daemon.err -- "epilog: $1" 2>/dev/null; }

if [ ! -x "$fabricheck" ]; then
  log "$fabricheck is missing or cannot be run"
  exit 0
fi
# Of slurmd's environment only Slurm's own words go on, and none that the dynamic linker reads.
/usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  SLURMD_NODENAME="$SLURMD_NODENAME" SLURM_CONF="$SLURM_CONF" SLURM_JOB_ID="$SLURM_JOB_ID" \
  SLURM_JOB_PARTITION="$SLURM_JOB_PARTITION" SLURM_JOB_GPUS="${SLURM_JOB_GPUS-}" \
  "$fabricheck" node --profile epilog --slurm --config "$config" >/dev/null
status=$?
case $status in
  0) exit 0 ;;
  2) log "fabricheck refused its options or configuration (status 2): fabricheck node --profile epilog --config $config says why" ;;
  *) log "fabricheck ended with status $status" ;;
esac
exit 0
