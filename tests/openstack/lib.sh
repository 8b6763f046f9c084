# What `up`, `down` and the tests of the real services share. Sourced, not run.
#
# Every daemon is started in a session of its own and written down: run/NAME.pid has its pid and its start time, so that
# `down` ends exactly what was started here and never a process that has got the same pid since.

export PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset PYTHONPATH PYTHONHOME

free_port() { # N of them, all different
  /usr/bin/python3 -c "
import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in held: s.bind(('127.0.0.1', 0))
print(*(s.getsockname()[1] for s in held))" "${1:-1}"
}

# Nothing of one that has ended and that nobody has asked for yet.
started_at() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" {print $20}'; }

alive() { # alive NAME
  local pid start
  [ -f "$S/run/$1.pid" ] && read -r pid start <"$S/run/$1.pid" && [ -n "$start" ] && [ "$(started_at "$pid")" = "$start" ]
}

start() { # start NAME COMMAND…
  local name=$1
  shift
  ! alive "$name" || return 0
  setsid nohup "$@" >>"$S/log/$name.out" 2>&1 </dev/null &
  local pid=$!
  sleep 0.1
  echo "$pid $(started_at $pid)" >"$S/run/$name.pid"
}

stop() { # stop NAME [SECONDS]: SIGTERM, and after so long SIGKILL to its whole session
  local name=$1 pid end=$((SECONDS + ${2:-10}))
  if alive "$name"; then
    read -r pid _ <"$S/run/$name.pid"
    kill -TERM "$pid" 2>/dev/null
    while alive "$name" && [ $SECONDS -lt $end ]; do sleep 0.2; done
    kill -KILL -- "-$pid" 2>/dev/null
  fi
  rm -f "$S/run/$name.pid"
}

wait_for() { # wait_for SECONDS NAME COMMAND…: until the command succeeds; fails at once when the daemon has ended
  local end=$((SECONDS + $1)) name=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $end ] || { [ -f "$S/run/$name.pid" ] && ! alive "$name"; }; then
      echo "$name did not come up; its last words:" >&2
      tail -n 20 "$S/log/$name".* >&2
      return 1
    fi
    sleep 0.2
  done
}

answers() { curl -s -o /dev/null --noproxy '*' --max-time 3 "$1"; }

# A daemon of which Debian's service package is not installed, by its entry point.
entry() { echo "import sys; sys.argv[0] = '$1'; from $2 import main; sys.exit(main())"; }
