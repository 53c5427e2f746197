#!/bin/sh
# Stops the server of this home and waits until it has ended.

script=$0
while [ -L "$script" ]; do
    target=$(readlink "$script") || exit 1
    case $target in
        /*) script=$target ;;
        *) script=$(dirname "$script")/$target ;;
    esac
done
unset CDPATH
BASE_DIR=$(cd "$(dirname "$script")/.." && pwd -P) || exit 1
PROGRAM=$BASE_DIR/target/nactor
if [ ! -x "$PROGRAM" ]; then
    echo "ERROR: $PROGRAM is not there: it knows which process serves $BASE_DIR !!" >&2
    exit 1
fi

pid=$("$PROGRAM" pid --home "$BASE_DIR")
if [ -z "$pid" ]; then
    echo "No nacosServer running."
    exit 255
fi

echo "The nacosServer($pid) is running..."
if ! kill "$pid"; then
    echo "ERROR: cannot signal nacosServer($pid): run this as the user who started it !!" >&2
    exit 1
fi
echo "Send shutdown request to nacosServer($pid) OK"

deadline=$(($(date +%s) + ${SHUTDOWN_TIMEOUT:-60}))
while [ "$("$PROGRAM" pid --home "$BASE_DIR")" = "$pid" ]; do
    if [ "$(date +%s)" -ge "$deadline" ]; then
        echo "nacosServer($pid) still runs after ${SHUTDOWN_TIMEOUT:-60} s; kill -9 $pid ends it, acknowledged data is on disk" >&2
        exit 1
    fi
    sleep 0.1 2>/dev/null || sleep 1
done
echo "nacosServer($pid) has stopped"
