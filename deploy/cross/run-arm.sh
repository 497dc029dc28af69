#!/usr/bin/env bash
# Runs an arm64 program of this machine's cross build under qemu: `run-arm.sh PROGRAM ARGUMENT…`.
set -euo pipefail
# shellcheck source=deploy/cross/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

sysroot=$cross/sysroot-arm64
libraries=$sysroot/usr/lib/aarch64-linux-gnu
plugins=$libraries/gstreamer-1.0
[ -d "$plugins" ] || fail "no arm64 sysroot: run deploy/cross/prepare.sh arm first"

# A Raspberry Pi 4's core. qemu's own choice has every extension, and tract then runs on those that it emulates worst:
# ten times slower.
export QEMU_CPU=${QEMU_CPU:-cortex-a72}

# The sysroot has no ld.so.cache, hence LD_LIBRARY_PATH. GStreamer must see the arm64 plugins alone, scan them inside
# this process (its helper would be an arm64 program that the kernel can't start) and remember them in a file of ours.
exec qemu-aarch64-static -L "$sysroot" \
  -E "LD_LIBRARY_PATH=$libraries:$libraries/pulseaudio:$libraries/blas:$libraries/lapack" \
  -E "GST_PLUGIN_SYSTEM_PATH_1_0=$plugins" -E GST_PLUGIN_PATH_1_0= -E GST_PLUGIN_SCANNER= \
  -E GST_REGISTRY_FORK=no -E "GST_REGISTRY=$cross/gst-registry-arm64.bin" \
  "$@"
