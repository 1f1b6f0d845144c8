#!/usr/bin/env bash
# scripts/compare-osu against a stand-in for OSU's program: what it prints and how it ends, not how fast anything is.
#   compare_osu_test.sh COMPARE-OSU FABRICHECK
set -uo pipefail
compare=$1
export FABRICHECK=$2
if [[ $(getconf _NPROCESSORS_ONLN) -lt 2 ]]; then
  echo "SKIPPED: two processors are needed"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# ends STATUS WORDS ARGUMENT…: WORDS appear in what it says.
ends() {
  local expected=$1 words=$2 status=0
  shift 2
  "$compare" "$@" >"$work/said" 2>&1 </dev/null || status=$?
  if [[ $status != "$expected" ]] || ! grep -qF -e "$words" "$work/said"; then
    printf 'compare-osu %s: status %s, expected %s with "%s"; it said:\n' "$*" "$status" "$expected" "$words"
    cat "$work/said"
    failures=$((failures + 1))
  fi
}

# A program that has the same time whatever happens: stand_in NAME MICROSECONDS
stand_in() {
  cat >"$work/$1" <<TEXT
#!/bin/sh
[ "\${OMPI_COMM_WORLD_RANK:-0}" = 0 ] || exit 0
echo '# Size       Avg Latency(us)'
echo '4            9.99'
echo '8            $2'
echo '16           9.99'
TEXT
  chmod +x "$work/$1"
}
stand_in slow 1000000.00
stand_in empty ''
printf '#!/bin/sh\nexit 5\n' >"$work/broken"
chmod +x "$work/broken"
touch "$work/no-program"

ends 77 "SKIPPED: no osu_allreduce is given"
ends 77 "SKIPPED: '$work/none' is no program that can be run" "OSU_ALLREDUCE=$work/none"
ends 77 "SKIPPED: '$work/no-program' is no program that can be run" "OSU_ALLREDUCE=$work/no-program"
ends 2 "unknown argument '$work/slow'" "$work/slow"
ends 2 "PAIRS is '8'" "OSU_ALLREDUCE=$work/slow" PAIRS=8
ends 2 "PAIRS is 'x'" "OSU_ALLREDUCE=$work/slow" PAIRS=x
ends 3 "$work/broken failed" "OSU_ALLREDUCE=$work/broken"
ends 3 "printed no line for 8 bytes" "OSU_ALLREDUCE=$work/empty"
# A second for 8 bytes: ours is not near it on any machine.
OSU_ALLREDUCE=$work/slow ends 1 "9 pairs: the median ratio 0.000 is not within 0.97 and 1.03" PAIRS=9
grep -qE '^theirs / theirs +median 1\.000 ' "$work/said" || { echo "no ratio of theirs with itself"; failures=$((failures + 1)); }
[[ $(grep -cE '^ +[0-9]+ +1000000\.000 ' "$work/said") == 9 ]] || { echo "not 9 pairs"; failures=$((failures + 1)); }
[[ $failures == 0 ]] || exit 1
echo "compare-osu says what it should"
