# bash completion for ipcd, ipcctl, ipcbench, ipclab and nslab.  What can stand
# there is asked of the programs themselves: options of --help, mechanisms of
# `ipcbench list`, methods of `ipcctl describe`.  Those in PATH, not ./ipcctl, if
# that is what has been written: that is somebody's program in somebody's directory,
# and to ask for words is not yet to want it run.

# _ipclab_options PROGRAM [VERB]: the long ones; with = if an argument follows.
_ipclab_options() {
    "$@" --help 2>/dev/null |
        sed -n 's/^ *\(-[A-Za-z?], \)\{0,1\}\(--[a-z-]*=\{0,1\}\).*/\2/p'
}

# pipe/, and what is in it.
_ipclab_mechanisms() {
    ipcbench list --csv 2>/dev/null | sed -n '2,$s/,.*//p'
}

_ipclab_directories() {
    _ipclab_mechanisms | sed 's|/.*|/|' | uniq
}

# NAME of each method; after a method, NAME= of each argument.
_ipclab_methods() {
    ipcctl describe 2>/dev/null | sed -n 's/^\([a-z_]*\)(.*/\1/p'
}

_ipclab_arguments() {
    ipcctl describe 2>/dev/null | sed -n "s/^$1(\([^)]*\)).*/\1/p" |
        tr ',' '\n' | sed -n 's/^ *\([a-z_]*\):.*/\1=/p'
}

# What an option's argument may be, into $words; fails if it is free.
_ipclab_values() {
    local program=$1
    case $2 in
    -m | --mechanism)
        words=$(_ipclab_mechanisms)
        if [ "$program" = ipcbench ]; then
            words="$words $(_ipclab_directories)"
        fi
        ;;
    --placement) words='one-cpu two-cpu-awake two-cpu free' ;;
    --clone | --unshare) words='pid uts ipc net mnt user cgroup time all' ;;
    --user) words=$(compgen -u) ;;
    *) return 1 ;;
    esac
}

# What is no option: a verb, a method, a process; files else.
_ipclab_words() {
    case $1:$2 in
    ipcctl:) words=$(_ipclab_methods) ;;
    ipcctl:*) words=$(_ipclab_arguments "$2") ;;
    ipcbench:) words='list run report compare isolate' ;;
    ipclab:) words='check grade hint why' ;;
    ipclab:why) words=$(cd /proc && echo [1-9]*) ;;
    ipclab:*) words=$(_ipclab_directories | tr -d /) ;;
    *) return 1 ;;
    esac
}

_ipclab() {
    local program=${1##*/} word=$2 before=$3 first='' words='' i
    COMPREPLY=()
    # --run-dir=X is three words: what stands before the = counts.
    [ "$word" = = ] && word=
    [ "$before" = = ] && before=${COMP_WORDS[COMP_CWORD - 2]}
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -m | -t | -o) ((i++)) ;;
        --*) # its argument stands after = or, where one must, after a blank
            if [ "${COMP_WORDS[i + 1]}" = = ]; then
                ((i += 2))
            elif _ipclab_options "$program" ${first:+"$first"} |
                grep -qx -e "${COMP_WORDS[i]}="; then
                ((i++))
            fi
            ;;
        -*) ;;
        *) [ -z "$first" ] && first=${COMP_WORDS[i]} ;;
        esac
    done
    if [[ $before == -* ]] && _ipclab_values "$program" "$before"; then
        :
    elif [[ $word == -* ]]; then
        words=$(_ipclab_options "$program" ${first:+"$first"})
        [ "$program" = ipcbench ] || words=$(_ipclab_options "$program")
    elif [[ $before == --* ]] || ! _ipclab_words "$program" "$first"; then
        # shellcheck disable=SC2207 # as compgen gives them
        COMPREPLY=($(compgen -f -- "$word"))
        return
    fi
    # shellcheck disable=SC2207 # as compgen gives them
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=/] ]] &&
        compopt -o nospace 2>/dev/null
}

complete -o filenames -F _ipclab ipcd ipcctl ipcbench ipclab nslab
