#!/usr/bin/env bash
# Drives the completion as bash does, by COMP_WORDS and COMP_CWORD: completion_test.sh COMPLETION-FILE FABRICHECK
# The package bash-completion is not used.
set -uo pipefail
completion=$1
fabricheck=$2
failures=0

# shellcheck source=/dev/null
source "$completion" || exit 1

# complete_line WORD…: what is offered for the last one, sorted, on one line. A = stands alone, as readline splits it.
complete_line() {
  COMP_WORDS=(fabricheck "$@")
  COMP_CWORD=$#
  COMPREPLY=()
  _fabricheck
  printf '%s\n' "${COMPREPLY[@]:-}" | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//'
}

# offers EXPECTED WORD…
offers() {
  local expected=$1 got
  shift
  got=$(complete_line "$@")
  [[ $got != "$expected" ]] || return 0
  printf 'fabricheck %s: expected "%s", got "%s"\n' "$*" "$expected" "$got"
  failures=$((failures + 1))
}

[[ $(complete -p fabricheck) == "complete -F _fabricheck fabricheck" ]] || {
  echo "the completion is not registered"
  failures=$((failures + 1))
}

commands=$("$fabricheck" help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' | LC_ALL=C sort | tr '\n' ' ')
[[ $commands == *"run "* ]] || failures=$((failures + 1))
offers "--help --version ${commands% }" ""
offers "launch" la
offers "--version" --v
offers "report run" r

# What is offered is what the help of each command has, in full.
for command in $commands; do
  [[ $command != help ]] || continue
  options=$("$fabricheck" help "$command" | grep -oE '^  (-[a-z], |    )?--[a-z-]+' | grep -oE -e '--[a-z-]+')
  [[ $command != launch ]] || options+=$'\n--'
  offers "$(printf '%s\n' "$options" | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//')" "$command" -
done

offers "acceptance diagnose full quick" run --suite ""
offers "acceptance" run --suite a
offers "acceptance" run --suite = a
offers "acceptance diagnose full quick" run --suite =
offers "auto off on" run --progress ""
offers "off on" run --budget 5s --progress o
offers "dot json matrix svg tree" topology --format ""
offers "console csv json md" report --format ""
offers "checks findings platforms targets" list ""
offers "platforms" list p
offers "" run --budget ""
offers "" run ""
offers "run" help ru

checks=$("$fabricheck" list checks | sed -n 's/^\([a-z0-9_]*\.[a-z0-9_.]*\) .*/\1/p' | LC_ALL=C sort)
[[ $checks == *mpi.allreduce.latency* && $checks == *topology.devices* ]] || failures=$((failures + 1))
offers "$(tr '\n' ' ' <<<"$checks" | sed 's/ $//')" run --only ""
offers "$(grep '^topology' <<<"$checks" | tr '\n' ' ' | sed 's/ $//')" run --only mpi.barrier.latency --skip topo
offers "$(grep '^topology' <<<"$checks" | tr '\n' ' ' | sed 's/ $//')" run --only "'topo"
offers "auto" topology --platform au

# Behind launch -- stands a run.
offers "run" launch --hosts a,b -- ""
offers "full" launch --hosts a,b -- run --suite f
offers "--hostfile --hosts" launch --host
offers "--baseline --bind-numa --budget --burn" launch -- run --b

# Given once: only what may be repeated is offered again.
offers "--share-gpus --silence --single-process --sizes --skip --sl --switch-topology" run --suite full --skip y --s
offers "--only --out" run --only x --o
offers "--only" run --only x --out d --o

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/a folder" "$work/afolder"
touch "$work/a file" "$work/other"
offers "$work/a file $work/a folder $work/afolder" run --targets "$work/a"
offers "$work/a folder $work/afolder" run --out "$work/a"
offers "$work/other" report "$work/o"
offers "$work/other" report r -o "$work/o"
offers "$work/other" report "'$work/o"
offers "$work/other" topology --load = "$work/o"

if [[ $failures != 0 ]]; then
  echo "$failures wrong"
  exit 1
fi
echo "the completion offers what the help says"
