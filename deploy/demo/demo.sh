#!/usr/bin/env bash
# The main job, end to end, on a real video: a hub without any configuration, an agent that inspects the video and brings
# it what it found, and what people get to see of it. Called by `make demo`.
#
#   VIDEO             a video of your own (default: the clip beside this script)
#   FIELDEYE_BIN_DIR  where the programs are (default: target/release)
#   OUT               where everything goes (default: demo-out in the checkout)
#
# Ends with the exit code of the step that failed. Ctrl-C at any time: nothing is left running.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
bin=$(realpath -m -- "${FIELDEYE_BIN_DIR:-${CARGO_TARGET_DIR:-$root/target}/release}")
video=$(realpath -ms -- "${VIDEO:-$here/lift-hill.mp4}")
out=$(realpath -m -- "${OUT:-$root/demo-out}")
hub_pid='' step_pid=''

step() { printf '\n== %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Ends what this script has started, by its process id, kindly first.
end_child() {
  local pid=$1 tries
  kill -TERM "$pid" 2>/dev/null || return 0
  for ((tries = 0; tries < 70; tries++)); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  echo "error: process $pid did not end, killing it" >&2
  kill -KILL "$pid" 2>/dev/null || true
}
clean_up() {
  local status=$?
  trap '' INT TERM HUP
  trap - EXIT
  [ -z "$step_pid" ] || end_child "$step_pid"
  [ -z "$hub_pid" ] || end_child "$hub_pid"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# Runs a step in the background and waits for it, so that a signal is heard at once.
run() {
  local status=0
  "$@" &
  step_pid=$!
  wait "$step_pid" || status=$?
  step_pid=''
  return "$status"
}

for program in fieldeye-hub fieldeye-agent; do
  [ -x "$bin/$program" ] || fail "$bin/$program is not built: run \`make demo\`, or set FIELDEYE_BIN_DIR"
done

# A folder of its own, anew each time. Only what this script makes in it is taken away.
for part in hub agent; do
  lock=$out/$part/lock
  if [ -e "$lock" ] && ! flock --nonblock "$lock" true; then
    fail "a program of an earlier demo still works on $out/$part ($(cat "$lock.holder" 2>/dev/null)): stop it, or set OUT to another folder"
  fi
done
rm -rf -- "$out/hub" "$out/agent" "$out/report" "$out/hub.txt"
mkdir -p -- "$out"
install -d -m 700 -- "$out/hub" "$out/agent"
cd -- "$out"

# No configuration but folders and free ports: nothing of the caller's environment, no file of this folder.
while IFS='=' read -r name _; do unset "$name"; done < <(env | grep -E '^(FIELDEYE_(HUB|AGENT)_[A-Z_]+|TELEGRAM_BOT_TOKEN(_FILE)?)=' || true)
export FIELDEYE_HUB_DATA_DIR=$out/hub FIELDEYE_HUB_MQTT__LISTEN=127.0.0.1:0 FIELDEYE_HUB_HEALTH__LISTEN=127.0.0.1:0
export FIELDEYE_AGENT_DATA_DIR=$out/agent FIELDEYE_AGENT_DEVICE__ID=demo-camera

step "hub: SQLite, a folder for pictures, its own broker"
"$bin/fieldeye-hub" serve >hub.txt 2>&1 </dev/null &
hub_pid=$!
mqtt=''
for ((tries = 0; tries < 300; tries++)); do
  # The file is written when both listeners are there; its process id tells this hub from an earlier one.
  facts=$(cat hub/serve.json 2>/dev/null | tr -d ' \n' || true)
  case $facts in *"\"pid\":$hub_pid"[,}]*) mqtt=$(sed -n 's/.*"mqtt":"\([^"]*\)".*/\1/p' <<<"$facts") ;; esac
  [ -z "$mqtt" ] || break
  if ! kill -0 "$hub_pid" 2>/dev/null; then
    status=0
    wait "$hub_pid" || status=$?
    hub_pid=''
    cat hub.txt >&2
    exit "$status"
  fi
  sleep 0.05
done
[ -n "$mqtt" ] || fail "the hub does not start; it said: $(tail -n 3 hub.txt)"
echo "process $hub_pid, broker on $mqtt"
export FIELDEYE_AGENT_HUB__URL=mqtt://$mqtt

step "agent: inspect $video"
run "$bin/fieldeye-agent" inspect --out "$out/report" -- "$video"

step "agent: the same as records, until the hub has stored everything"
run "$bin/fieldeye-agent" import --wait-synced 60 -- "$video"

step "hub: the session"
session=$("$bin/fieldeye-hub" session list --json | sed -n 's/^ *"id": "\([^"]*\)".*/\1/p' | head -n 1)
[ -n "$session" ] || fail "the hub has no session, though the agent says that all is stored"
run "$bin/fieldeye-hub" session show "$session"

step "hub: defects"
run "$bin/fieldeye-hub" defect list

critical=$("$bin/fieldeye-hub" defect list --json | grep -c '"severity": "critical"' || true)
if [ "$critical" -gt 0 ]; then
  step "hub: alerts, as it told them on its console"
  for ((tries = 0; tries < 150; tries++)); do
    told=$("$bin/fieldeye-hub" alert list --json | grep -c '"sent_at": "' || true)
    [ "$told" -lt "$critical" ] || break
    sleep 0.1
  done
  [ "$told" -ge "$critical" ] || fail "$critical critical defects, but only $told alerts were told; see $out/hub.txt"
  grep '^ALERT ' hub.txt
fi

step "stopping"
kill -TERM "$hub_pid"
status=0
wait "$hub_pid" || status=$?
hub_pid=''
[ "$status" -eq 0 ] || fail "the hub ended with $status; see $out/hub.txt"
echo "the hub has stopped; all data stays in $out"

cat <<EOF

Report:  $out/report/report.html

What to type next:
  $bin/fieldeye-hub session list --data-dir "$out/hub"
  make demo VIDEO=path/to/your.mp4
  $bin/fieldeye-agent inspect your.mp4 --out report
  $bin/fieldeye-hub serve                            # then, in another terminal:
  $bin/fieldeye-agent import your.mp4 --wait-synced 60
  $bin/fieldeye-hub doctor
EOF
