#compdef ipcd ipcctl ipcbench ipclab nslab
# zsh completion: options of --help, mechanisms of `ipcbench list`, methods of
# `ipcctl describe`, as in completion.bash.

setopt localoptions extendedglob

_ipclab_mechanisms() {
    local -a names=(${${(f)"$(ipcbench list --csv 2>/dev/null)"}[2,-1]%%,*})
    compadd -a names
}

_ipclab_methods() {
    local -a names=(${(M)${(f)"$(ipcctl describe 2>/dev/null)"}:#[a-z_]##\(*})
    names=(${names%%\(*})
    compadd -a names
}

_ipclab_labs() {
    local -aU names=(${${(f)"$(ipcbench list --csv 2>/dev/null)"}[2,-1]%%/*})
    compadd -a names
}

_ipclab_kinds() {
    compadd -S '' -q -- pid uts ipc net mnt user cgroup time all
}

# Those of `ipcbench VERB --help`; with = if an argument follows.
_ipclab_verb_options() {
    local -a all=(${(f)"$(ipcbench $words[2] --help 2>/dev/null |
        sed -n 's/^ *\(-[A-Za-z?], \)\{0,1\}\(--[a-z-]*=\{0,1\}\).*/\2/p')"})
    compadd -S '' -- ${(M)all:#*=}
    compadd -- ${all:#*=}
}

if [[ $service = ipcbench && $CURRENT -gt 2 && $PREFIX = --[^=]# ]]; then
    _ipclab_verb_options
    return
fi

local -a first
case $service in
ipcctl) first=('1:method:_ipclab_methods' '*:value:_files') ;;
ipcbench) first=('1:verb:(list run report compare isolate)' '*:directory:_files -/') ;;
ipclab) first=('1:verb:(check grade hint why)' '*:process:_pids')
    [[ $words[2] = why ]] || first[2]='*:lab:_ipclab_labs' ;;
nslab) first=('*::command:_normal') ;;
esac
_arguments "$first[@]" '(-m --mechanism)-m+[this mechanism]:mechanism:_ipclab_mechanisms' \
    -- '*=NAME*:mechanism:_ipclab_mechanisms' '*=DIR*:directory:_files -/' \
    '*=LIST*:namespaces:_ipclab_kinds' '*=FILE*:file:_files'
