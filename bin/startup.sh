#!/bin/sh
# Starts a server in the background and waits until it serves.
# Works with any POSIX shell, from any directory, and through a symbolic link.

usage() {
    cat <<'EOF'
Usage: startup.sh [-m standalone|cluster] [-p embedded] [-c ip:port,...] [-f all|naming|config] [-s name] [-- ARGUMENT...]
  -m  mode; without it the server starts in cluster mode
  -p  embedded: keep persistent data in this home
  -c  nodes of the cluster; wins over conf/cluster.conf
  -f  function mode, accepted as in Nacos; this server is naming only
  -s  program in target/ to run (nactor)
  --  what follows goes to "nactor server", such as --set server.port=8858
Environment: STARTUP_TIMEOUT  seconds to wait until the server is ready (60)
EOF
}

error_exit() {
    echo "ERROR: $1 !!" >&2
    exit 1
}

# The home is the directory above the one that really holds this script.
script=$0
while [ -L "$script" ]; do
    target=$(readlink "$script") || error_exit "cannot follow the link $script"
    case $target in
        /*) script=$target ;;
        *) script=$(dirname "$script")/$target ;;
    esac
done
unset CDPATH
BASE_DIR=$(cd "$(dirname "$script")/.." && pwd -P) || error_exit "cannot find the home of $0"

MODE=cluster
FUNCTION_MODE=all
SERVER=nactor
MEMBER_LIST=
EMBEDDED_STORAGE=
while getopts ":m:f:s:c:p:h" opt; do
    case $opt in
        m) MODE=$OPTARG ;;
        f) FUNCTION_MODE=$OPTARG ;;
        s) SERVER=$OPTARG ;;
        c) MEMBER_LIST=$OPTARG ;;
        p) EMBEDDED_STORAGE=$OPTARG ;;
        h) usage; exit 0 ;;
        *) echo "Unknown parameter" >&2; usage >&2; exit 1 ;;
    esac
done
shift $((OPTIND - 1))

[ "$SERVER" = nacos-server ] && SERVER=nactor # the name of Nacos's jar
PROGRAM=$BASE_DIR/target/$SERVER
LOG=$BASE_DIR/logs/start.out
[ -x "$PROGRAM" ] || error_exit "$PROGRAM is not there: in a checkout, make build makes it"
if [ "$FUNCTION_MODE" = config ]; then
    echo "This server is naming only: -f config has no effect." >&2
fi

pid=$("$PROGRAM" pid --home "$BASE_DIR")
if [ -n "$pid" ]; then
    echo "The nacosServer($pid) is already running in $BASE_DIR: stop it with shutdown.sh first." >&2
    exit 1
fi

# Arguments as a list, so that spaces in the home do no harm.
set -- server --home "$BASE_DIR" -m "$MODE" "$@"
[ -n "$EMBEDDED_STORAGE" ] && set -- "$@" -p "$EMBEDDED_STORAGE"
[ -n "$MEMBER_LIST" ] && set -- "$@" -c "$MEMBER_LIST"

mkdir -p "$BASE_DIR/logs" || error_exit "cannot make $BASE_DIR/logs"
touch "$LOG" || error_exit "cannot write $LOG"
begin=$(($(wc -l <"$LOG") + 1))

echo "$PROGRAM $*"
if [ "$MODE" = standalone ]; then
    echo "nacos is starting with standalone"
else
    echo "nacos is starting with cluster"
fi
echo "$PROGRAM $*" >>"$LOG"
nohup "$PROGRAM" "$@" >>"$LOG" 2>&1 </dev/null &
pid=$!
echo "nacos is starting，you can check the $LOG"

# It serves when the server of this home is ready and is the one that was started here,
# not another that won a race for the home.
serves() {
    "$PROGRAM" ready --home "$BASE_DIR" --timeout 1s >/dev/null 2>&1 &&
        [ "$("$PROGRAM" pid --home "$BASE_DIR")" = "$pid" ]
}

# Until it is ready, gone, or late.
deadline=$(($(date +%s) + ${STARTUP_TIMEOUT:-60}))
until serves; do
    if ! kill -0 "$pid" 2>/dev/null; then
        wait "$pid"
        code=$?
        echo "nacos did not start: the server ended with exit code $code. The last lines of $LOG:" >&2
        tail -n "+$begin" "$LOG" | tail -n 20 >&2
        [ "$code" -ne 0 ] || code=1
        exit "$code"
    fi
    if [ "$(date +%s)" -ge "$deadline" ]; then
        echo "nacos($pid) is not ready after ${STARTUP_TIMEOUT:-60} s and goes on starting:" >&2
        "$PROGRAM" ready --home "$BASE_DIR" >&2
        echo "The last lines of $LOG:" >&2
        tail -n "+$begin" "$LOG" | tail -n 20 >&2
        exit 1
    fi
done
echo "nacos is ready, pid $pid"
