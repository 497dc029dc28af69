#!/usr/bin/env bash
# Installs what Field Eye needs to build, run and test on Debian 12 (also Raspberry Pi OS and Ubuntu 22.04+).
# Idempotent: a second run finds everything there and changes nothing. Says what it installs before it does,
# and uses sudo only when it is not root.
set -euo pipefail

packages=(
  # compile and link: C compiler for the bundled SQLite and zstd, GStreamer headers (Rust brings a fast linker itself)
  build-essential pkg-config
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
  # run: demuxers, parsers and the H.264/H.265 decoders
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav
  # test and install: `systemd-analyze verify`, `mount` and `unshare` for a small disk, `flock`
  make systemd mount util-linux
  # test: a network camera
  libgstrtspserver-1.0-dev
  # test: ONNX Runtime's library comes in a Python package
  python3 python3-pip
)
[ "${1:-}" != "--bench" ] || packages+=(python3-venv ffmpeg gstreamer1.0-tools)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done

if [ "${#missing[@]}" -gt 0 ]; then
  echo "installing: ${missing[*]}"
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "error: not root and no sudo; run as root: apt-get install ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
  fi
  # Another apt may be at work: wait for it instead of failing.
  "${as_root[@]}" apt-get update -qq -o DPkg::Lock::Timeout=600
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq -o DPkg::Lock::Timeout=600 --no-install-recommends "${missing[@]}" >/dev/null
else
  echo "Debian packages: all there"
fi

command -v cargo >/dev/null || { echo "error: no cargo on PATH; install Rust (https://rustup.rs) and run this again" >&2; exit 1; }
if [ "${1:-}" = "--test" ] && ! cargo nextest --version >/dev/null 2>&1; then
  echo "installing: cargo-nextest (from source, once)"
  cargo install --locked cargo-nextest
fi
