/** What a shell loads. Everything that is known about commands stays in `corral __complete`. */

const bash = `# Completion of corral for bash: source <(corral completion bash)
_corral() {
  local reply current=\${COMP_WORDS[COMP_CWORD]} program=\${COMP_WORDS[0]/#~\\//$HOME/}
  mapfile -t reply < <("$program" __complete bash "$COMP_WORDBREAKS" "\${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
  COMPREPLY=()
  local line
  for line in "\${reply[@]:1}"; do COMPREPLY+=("\${line%%$'\\t'*}"); done
  if [[ \${reply[0]-} == files ]]; then
    compopt -o filenames
    [[ $current == = ]] && current=
    mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")
  elif [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *[:=] ]]; then
    compopt -o nospace
  fi
}
complete -F _corral corral
`;

const zsh = `#compdef corral
# Completion of corral for zsh: source <(corral completion zsh), or as a file _corral in a folder of $fpath
_corral() {
  local -a reply described
  local line
  reply=("\${(@f)$("\${(Q)words[1]/#\\~\\//$HOME/}" __complete zsh "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  for line in "\${(@)reply[2,-1]}"; do
    described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  if [[ \${reply[1]} == files ]]; then
    compset -P '--*='
    _files
  elif (( $#described )); then
    _describe -V corral described
  fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _corral "$@"; else compdef _corral corral; fi
`;

export const completionScripts = { bash, zsh } as const;
export type Shell = keyof typeof completionScripts;
