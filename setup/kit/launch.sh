#!/bin/sh
# The first process of a container that Drydock made: launch.sh COMMAND [ARGUMENT…], the image's own.
#
# Where COMMAND starts runit, the service's `finish` is held (agent/launch.ts) and this becomes COMMAND: PID 1 is the
# image's. Elsewhere the end of COMMAND would end the container, before anybody could look. Then this stays PID 1, reaps
# what is orphaned, and a second shell is to COMMAND what runsv(8) is to a service, in a folder where the agent looks for
# one: `supervise/control` takes u, d, t and h, `supervise/stat` says what is, and `finish` is asked when COMMAND ended
# unbidden: 0 keeps the container.
#
# Everything that happens comes to it as a line through the pipe, signals too: nothing can happen between a look and a
# wait.
kit=${0%/*}

# This shell becomes the agent's verb, without what the container's environment would do to our own Node.
agent() {
    export NODE_OPTIONS='' LD_PRELOAD='' LD_LIBRARY_PATH='' NODE_EXTRA_CA_CERTS=''
    exec "$kit/node" "$kit/agent.cjs" "$@"
}

trap 'exit 143' TERM INT QUIT # PID 1 has no other way to end before there is a command
folder=$(agent prepare "$@" </dev/null)
PYTHONPATH=$kit/hook${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH

home=$PWD
if [ -z "$folder" ] || ! cd "$folder" || ! mkfifo -m 600 supervise/control; then
    cd "$home" || exit
    exec "$@"
fi
exec 3<>supervise/control 4<&0

child=   # COMMAND's process, once it is known
running= # from its start to its end
bidden=  # its end was asked for
again=   # and it starts anew then
ending=  # the container is being stopped

say() {
    echo "$1" >supervise/stat
}

start() {
    running=y bidden='' again=''
    say run
    {
        # A shell lets its background processes ignore SIGINT and SIGQUIT; `become` undoes that.
        (cd "$home" && agent become "$@") <&4 3<&- 4<&- &
        echo "started $!" >&3
        wait "$!"
        echo "ended $?" >&3
    } &
}

pass() {
    [ -z "$child" ] || kill -s "$1" "$child" 2>/dev/null
}

supervise() {
    start "$@"
    while read -r word value <&3; do
        case $word in
        started)
            child=$value
            [ -z "$ending" ] || pass TERM
            [ -z "$bidden" ] || pass TERM
            ;;
        ended)
            child='' running=''
            [ -z "$ending" ] || exit "$value"
            if [ -n "$again" ]; then
                start "$@"
                continue
            fi
            if [ -z "$bidden" ]; then
                say finish
                sh ./finish "$value" 0 || exit "$value"
                [ "$value" != 0 ] || echo "drydock: the service ended (exit code 0) and is not started again" >&2
            fi
            say down
            ;;
        end)
            ending=y
            [ -n "$running" ] || exit 0
            pass "$value"
            ;;
        pass) pass "$value" ;;
        u) [ -n "$running" ] || start "$@" ;;
        d) bidden=$running && again='' && pass TERM ;;
        t) bidden=$running && again=$running && pass TERM ;;
        h) pass HUP ;;
        esac
    done
}

for signal in TERM INT QUIT; do
    # shellcheck disable=SC2064
    trap "echo end $signal >&3" $signal
done
for signal in HUP USR1 USR2 WINCH TTIN TTOU; do
    # shellcheck disable=SC2064
    trap "echo pass $signal >&3" $signal
done

supervise "$@" &
supervisor=$!
code=0
# A signal ends a wait as well.
while kill -0 "$supervisor" 2>/dev/null; do
    wait "$supervisor"
    code=$?
done
# It may have ended between the two.
wait "$supervisor" 2>/dev/null
last=$?
[ "$last" = 127 ] || code=$last
exit "$code"
