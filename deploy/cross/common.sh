# shellcheck shell=bash
# What the scripts of this folder share: where things are, and how a step is done once. Sourced, never run.

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# Everything that cross building needs or makes lies here: one folder to delete, nothing of the machine is changed
# but for the Debian packages that `prepare.sh` announces.
# shellcheck disable=SC2034  # used by the scripts that source this file
cross=${CARGO_TARGET_DIR:-$repo/target}/cross
case $cross in /*) ;; *) cross=$PWD/$cross ;; esac

# The release that rust-toolchain.toml pins: the standard library must be of exactly this version.
# shellcheck disable=SC2034
rust_version=$(sed -n 's/^channel *= *"\(.*\)"$/\1/p' "$repo/rust-toolchain.toml")

say() { printf '==> %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# target_of NAME: the Rust target behind a short or a full name.
target_of() {
  case $1 in
    arm | aarch64-unknown-linux-gnu) echo aarch64-unknown-linux-gnu ;;
    windows | x86_64-pc-windows-gnu) echo x86_64-pc-windows-gnu ;;
    *) fail "unknown target '$1': it is one of arm, windows" ;;
  esac
}

# once NAME KEY COMMAND…: runs the command unless it has succeeded before with the same key. A step that was cut off
# leaves no mark and starts anew; a new key (another Rust, another list of packages) makes it run again.
once() {
  local name=$1 key=$2 mark=$cross/done/$1
  shift 2
  if [ -f "$mark" ] && [ "$(cat "$mark")" = "$key" ]; then
    say "$name: done before"
    return
  fi
  local start=$SECONDS
  say "$name"
  # Not in an `if` or before `||`: there, bash would go on after a failed command inside the step.
  "$@"
  mkdir -p "$cross/done"
  printf '%s\n' "$key" >"$mark"
  say "$name: $((SECONDS - start)) s"
}
