#!/usr/bin/env bash
# cargo for another machine: `cargo.sh arm build --release -p fieldeye-agent`, `cargo.sh windows check -p fieldeye-hub`.
# Needs what `prepare.sh` made; builds into a target folder of its own, so that the usual one stays warm.
set -euo pipefail
# shellcheck source=deploy/cross/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

target=$(target_of "${1:?usage: cargo.sh arm|windows CARGO-COMMAND…}")
command=${2:?usage: cargo.sh arm|windows CARGO-COMMAND…}
shift 2
cd "$repo"

# The real programs, not rustup's proxies: these would run the untouched toolchain, which has no std for the target.
if [ -x "$cross/toolchain/bin/cargo" ]; then
  export PATH=$cross/toolchain/bin:$PATH
fi
[ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ] || fail "no std for $target: run deploy/cross/prepare.sh $1 first"

# All variables carry the target's name, so that build scripts, which run here, are built with this machine's tools.
case $target in
  aarch64-unknown-linux-gnu)
    sysroot=$cross/sysroot-arm64
    [ -d "$sysroot" ] || fail "no arm64 sysroot: run deploy/cross/prepare.sh arm first"
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C link-arg=--sysroot=$sysroot"
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$repo/deploy/cross/run-arm.sh
    export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc CXX_aarch64_unknown_linux_gnu=aarch64-linux-gnu-g++
    export AR_aarch64_unknown_linux_gnu=aarch64-linux-gnu-ar
    export CFLAGS_aarch64_unknown_linux_gnu="--sysroot=$sysroot" CXXFLAGS_aarch64_unknown_linux_gnu="--sysroot=$sysroot"
    export PKG_CONFIG_ALLOW_CROSS_aarch64_unknown_linux_gnu=1
    export PKG_CONFIG_SYSROOT_DIR_aarch64_unknown_linux_gnu=$sysroot
    export PKG_CONFIG_LIBDIR_aarch64_unknown_linux_gnu=$sysroot/usr/lib/aarch64-linux-gnu/pkgconfig:$sysroot/usr/share/pkgconfig
    ;;
  x86_64-pc-windows-gnu)
    export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc
    export CC_x86_64_pc_windows_gnu=x86_64-w64-mingw32-gcc CXX_x86_64_pc_windows_gnu=x86_64-w64-mingw32-g++
    export AR_x86_64_pc_windows_gnu=x86_64-w64-mingw32-ar
    ;;
esac
export CARGO_TARGET_DIR=$cross/build
exec cargo "$command" --target "$target" "$@"
