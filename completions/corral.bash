# Completion of corral for bash: source <(corral completion bash)
_corral() {
  local reply current=${COMP_WORDS[COMP_CWORD]} program=${COMP_WORDS[0]/#~\//$HOME/}
  mapfile -t reply < <("$program" __complete bash "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
  COMPREPLY=()
  local line
  for line in "${reply[@]:1}"; do COMPREPLY+=("${line%%$'\t'*}"); done
  if [[ ${reply[0]-} == files ]]; then
    compopt -o filenames
    [[ $current == = ]] && current=
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")
  elif [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:=] ]]; then
    compopt -o nospace
  fi
}
complete -F _corral corral
