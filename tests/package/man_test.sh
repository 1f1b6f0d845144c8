#!/usr/bin/env bash
# The man page is what troff takes without a warning, and shows every command and option: man_test.sh PAGE FABRICHECK
set -euo pipefail
page=$1
fabricheck=$2
if ! command -v groff >/dev/null; then
  echo "SKIPPED: no groff here; install groff-base"
  exit 77
fi
warnings=$(groff -man -ww -z -Tutf8 "$page" 2>&1)
# A width that breaks no option's name; grotty's escapes off.
text=$(MANPAGER=cat GROFF_NO_SGR=1 groff -man -ww -Tutf8 -P-cbou -rLL=200n "$page" 2>&1)
failures=0
complain() {
  echo "$*"
  failures=$((failures + 1))
}
[[ -z $warnings ]] || complain "groff warns: $warnings"
# shown WORDS
shown() { grep -qF -e "$1" <<<"$text" || complain "the page does not show: $1"; }
for section in NAME SYNOPSIS DESCRIPTION COMMANDS "EXIT STATUS" FILES "SEE ALSO"; do
  grep -qE "^$section" <<<"$text" || complain "no section $section"
done
commands=$("$fabricheck" help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
[[ $commands == *run* ]] || complain "fabricheck help lists no commands"
for command in $commands; do
  shown "fabricheck $command"
  [[ $command != help ]] || continue
  help=$("$fabricheck" help "$command")
  # Each option with its value, and each example, as the help has it.
  while IFS= read -r option; do shown "$option"; done < \
    <(sed -n 's/^  \(-[a-z], \)\{0,1\} *\(--[a-z-]*\( [A-Z]\{1,\}\)\{0,1\}\).*/\1\2/p' <<<"$help" | grep -v -e '--help')
  while IFS= read -r example; do shown "$example"; done < <(sed -n '/^Examples:/,/^$/s/^  //p' <<<"$help")
done
[[ $failures == 0 ]] || exit 1
echo "the page has every command, option and example"
