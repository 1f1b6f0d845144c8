
# The part of the completion that is the same for every command. Before it stand, made from the table:
# _fabricheck_commands, _fabricheck_options COMMAND, _fabricheck_repeatable COMMAND, _fabricheck_value 'COMMAND OPTION'.
# shellcheck shell=bash

# _fabricheck_reply WORD WORDS: those of WORDS that begin with WORD; files or folders where it reads <file> or <folder>.
_fabricheck_reply() {
  local found
  case $2 in
    '<file>' | '<folder>')
      local action=-f
      [[ $2 == '<file>' ]] || action=-d
      # The shell then quotes names and puts a slash behind folders.
      compopt -o filenames 2>/dev/null
      while IFS= read -r found; do COMPREPLY+=("$found"); done < <(compgen "$action" -- "$1")
      ;;
    '<nothing>') ;;
    *) while IFS= read -r found; do COMPREPLY+=("$found"); done < <(compgen -W "$2" -- "$1") ;;
  esac
}

_fabricheck() {
  COMPREPLY=()
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' given=' ' answer='' option i
  # Bash makes three words of --suite=quick.
  if [[ $word == '=' ]]; then
    word=''
  elif [[ $before == '=' && $COMP_CWORD -gt 2 ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  # An opening quote is not part of the word: compgen takes it off before words, but not before files.
  word=${word#[\'\"]}
  # The command that the word belongs to: behind `launch ... --` it is the one that is launched.
  for ((i = 1; i < COMP_CWORD; ++i)); do
    option=${COMP_WORDS[i]}
    if [[ -z $command ]]; then
      command=$option
    elif [[ $command == launch && $option == -- ]]; then
      command='' given=' '
      if ((i + 1 == COMP_CWORD)); then
        _fabricheck_reply "$word" run
        return
      fi
    else
      given+="$option "
    fi
  done
  if [[ -z $command ]]; then
    _fabricheck_reply "$word" "$(_fabricheck_commands) help --help --version"
    return
  fi
  if [[ $command == help ]]; then
    [[ $before != help ]] || _fabricheck_reply "$word" "$(_fabricheck_commands)"
    return
  fi
  [[ $before != -* ]] || answer=$(_fabricheck_value "$command $before")
  if [[ -n $answer ]]; then
    _fabricheck_reply "$word" "$answer"
  elif [[ $word == -* ]]; then
    for option in $(_fabricheck_options "$command"); do
      # What may be given once is not offered again.
      [[ $given == *" $option "* && $(_fabricheck_repeatable "$command") != *" $option "* ]] || answer+=" $option"
    done
    [[ $command != launch ]] || answer+=' --'
    _fabricheck_reply "$word" "$answer"
  else
    answer=$(_fabricheck_value "$command")
    [[ -z $answer ]] || _fabricheck_reply "$word" "$answer"
  fi
}

complete -F _fabricheck fabricheck
