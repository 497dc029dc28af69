#!/usr/bin/env bash
# Does the arm64 agent see what the amd64 agent sees? Both inspect the same clip, the arm64 one under qemu, and what they
# found is compared: the same pauses and defects, with the same ids.
#
# Numbers may differ only where the two machines compute differently: inference runs with other instructions and in
# another order there. So confidences may differ by 0.02 and boxes by 2 pixels; times must agree to the millisecond.
#
#   FIELDEYE_BIN_DIR  where the amd64 agent is (default: target/release)
#   VIDEO             another clip
set -euo pipefail
# shellcheck source=deploy/cross/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

amd64=${FIELDEYE_BIN_DIR:-${CARGO_TARGET_DIR:-$repo/target}/release}/fieldeye-agent
arm64=$cross/build/aarch64-unknown-linux-gnu/release/fieldeye-agent
video=${VIDEO:-$repo/deploy/demo/lift-hill.mp4}
[ -x "$amd64" ] || fail "$amd64 is not built: run \`make release\`"
[ -x "$arm64" ] || fail "$arm64 is not built: run \`make cross\`"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# inspect NAME COMMAND…: what was found, without how long it took.
inspect() {
  local name=$1 start=$SECONDS
  shift
  say "$name: $video"
  "$@" inspect --json "$video" >"$work/$name.json" </dev/null || fail "the $name agent ends with $?"
  sed '/"timing": {/,/}/d' "$work/$name.json" >"$work/$name.found"
  say "$name: $(grep -c '"keyframe_s"' "$work/$name.found" || true) pauses," \
    "$(grep -c '"severity"' "$work/$name.found" || true) defects, $((SECONDS - start)) s"
}

inspect amd64 "$amd64"
inspect arm64 "$repo/deploy/cross/run-arm.sh" "$arm64"
grep -q '"keyframe_s"' "$work/amd64.found" || fail "the clip has no pauses: there is nothing to compare"

# JSON is printed with one field a line and without tabs, so line meets line.
paste "$work/amd64.found" "$work/arm64.found" | awk -F '\t' '
  function key(line) { return match(line, /"[a-z0-9_]+":/) ? substr(line, RSTART + 1, RLENGTH - 3) : "" }
  function number(line) { sub(/^[^:]*: */, "", line); sub(/,$/, "", line); return line }
  function numeric(text) { return text ~ /^-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?$/ }
  BEGIN {
    allowed["confidence"] = 0.02
    allowed["x"] = allowed["y"] = allowed["width"] = allowed["height"] = 2
    for (name in allowed) worst[name] = 0
    split("start_s end_s keyframe_s first_s last_s duration_s", times, " ")
    for (i in times) { allowed[times[i]] = 0.001; worst[times[i]] = 0 }
  }
  $1 != $2 {
    name = key($1); a = number($1); b = number($2)
    difference = a - b; if (difference < 0) difference = -difference
    if (name in allowed && name == key($2) && numeric(a) && numeric(b) && difference <= allowed[name]) {
      if (difference > worst[name]) worst[name] = difference
      next
    }
    print "line " NR ":\n  amd64 " $1 "\n  arm64 " $2 > "/dev/stderr"
    bad = 1
  }
  END {
    if (bad) exit 1
    for (name in worst) if (worst[name] > 0) printf "  %s differs by %g at most\n", name, worst[name]
  }' || fail "arm64 and amd64 do not find the same"
say "arm64 and amd64 find the same"
