# Sourced by the scripts that run a log: starts and stops an acta-log of their own, and nothing else's.
# Needs LOG_PROGRAM (the acta-log to run) and WORK (a directory); sets LOG_PID, LOG_ADDRESS and LOG_URL.

# start_log DIR ADDRESS [PREFIX…]: serves DIR on ADDRESS (port 0: any) and returns once it accepts requests.
# PREFIX is a command to run it under, such as strace or taskset.
start_log() {
  local dir=$1 address=$2 line
  shift 2
  rm -f "$WORK/log.out"
  mkfifo "$WORK/log.out"
  "$@" "$LOG_PROGRAM" serve --dir "$dir" --listen "$address" >"$WORK/log.out" 2>>"$WORK/log.err" &
  LOG_PID=$!
  # The first line says where it listens; a server that ends first closes the pipe.
  exec {LOG_OUT}<"$WORK/log.out"
  while read -r -t 60 line <&"$LOG_OUT"; do
    case $line in "listening on http://"*)
      LOG_URL=${line#listening on }
      LOG_URL=${LOG_URL%/}
      LOG_ADDRESS=${LOG_URL#http://}
      return 0
      ;;
    esac
  done
  echo "acta-log did not start:" >&2
  tail -n 20 "$WORK/log.err" >&2
  return 1
}

# stop_log SIGNAL: ends it, waits, returns its exit code.
stop_log() {
  local code=0
  kill "-$1" "$LOG_PID"
  wait "$LOG_PID" 2>/dev/null || code=$?
  LOG_PID=
  exec {LOG_OUT}<&-
  return "$code"
}

# For `trap … EXIT`: leaves no process behind.
end_log() {
  if [ -n "${LOG_PID:-}" ]; then
    kill -KILL "$LOG_PID" 2>/dev/null || true
    wait "$LOG_PID" 2>/dev/null || true
  fi
}
