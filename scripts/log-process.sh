# shellcheck shell=bash
# Sourced by the scripts that run a log: starts and stops an acta-log of their own, and nothing else's.
# Needs LOG_PROGRAM (the acta-log to run) and WORK (a directory).

# start_log DIR ADDRESS [PREFIX…]: serves DIR on ADDRESS (port 0: any), and returns once it accepts requests.
# PREFIX is a command to run it under, such as strace or taskset. Sets
#   LOG_URL, LOG_ADDRESS   where it listens          LOG_OPS_URL   where its operator's listener is
#   LOG_SERVER_PID         its process               LOG_PID       the process to wait for: PREFIX, or itself
start_log() {
  local dir=$1 address=$2 line
  shift 2
  rm -f "$WORK/log.out"
  mkfifo "$WORK/log.out"
  # The shell in between writes down its own number, which exec keeps.
  "$@" sh -c 'echo $$ >"$0"; exec "$@"' "$WORK/log.pid" \
    "$LOG_PROGRAM" serve --dir "$dir" --listen "$address" --ops-listen 127.0.0.1:0 >"$WORK/log.out" 2>>"$WORK/log.err" &
  LOG_PID=$! LOG_URL='' LOG_OPS_URL=''
  # The first lines say where it listens; a server that ends first closes the pipe.
  exec {LOG_OUT}<"$WORK/log.out"
  while [ -z "$LOG_URL" ] || [ -z "$LOG_OPS_URL" ]; do
    if ! read -r -t 60 line <&"$LOG_OUT"; then
      echo "acta-log did not start:" >&2
      tail -n 20 "$WORK/log.err" >&2
      return 1
    fi
    case $line in
      "listening on http://"*) LOG_URL=${line#listening on } ;;
      "operations on http://"*) LOG_OPS_URL=${line#operations on } ;;
    esac
  done
  LOG_ADDRESS=${LOG_URL#http://}
  LOG_SERVER_PID=$(cat "$WORK/log.pid")
}

# stop_log SIGNAL: ends it, waits, returns its exit code.
stop_log() {
  local code=0
  kill "-$1" "$LOG_SERVER_PID"
  wait "$LOG_PID" 2>/dev/null || code=$?
  LOG_PID='' LOG_SERVER_PID=''
  exec {LOG_OUT}<&-
  return "$code"
}

# For `trap … EXIT`: leaves no process behind.
end_log() {
  if [ -n "${LOG_PID:-}" ]; then
    kill -KILL "${LOG_SERVER_PID:-$LOG_PID}" 2>/dev/null || true
    wait "$LOG_PID" 2>/dev/null || true
  fi
}
