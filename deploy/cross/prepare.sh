#!/usr/bin/env bash
# Prepares cross building on Debian 12 amd64 with nothing but Debian's packages and crates.io:
#
#   prepare.sh arm       compiler, std and a Debian 12 arm64 sysroot with GStreamer, for the agent
#   prepare.sh windows   compiler and std, for the hub
#
# Where the toolchain already has the target (`rustup target add …`), that is taken. Otherwise std is built once, from
# Debian's `rust-src` of exactly the pinned version, into a hard-linked copy of the toolchain. Each step is done once;
# a run that was cut off goes on where it stopped. Neither ~/.rustup nor /etc/apt is touched.
set -euo pipefail
# shellcheck source=deploy/cross/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

target=$(target_of "${1:?usage: prepare.sh arm|windows}")
cd "$repo"

[ "$(dpkg --print-architecture)" = amd64 ] || fail "cross building starts from amd64; here a plain \`cargo build\` may do"
. /etc/os-release
codename=${VERSION_CODENAME:-}
[ "${ID:-}" = debian ] && [ "$codename" = bookworm ] ||
  fail "this script knows Debian 12 alone (here: ${PRETTY_NAME:-unknown}); elsewhere use cross-rs with Cross.toml"

# What runs on this machine.
case $target in
  aarch64-*) tools=(gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user-static) ;;
  *-windows-gnu) tools=(gcc-mingw-w64-x86-64 g++-mingw-w64-x86-64) ;;
esac

# What the arm64 sysroot holds: headers and libraries to link with, and the plugins to run it under qemu. The decoders
# are those that deploy/setup/debian.sh installs for amd64, so that both decode alike.
sysroot_packages=(
  libc6-dev libgcc-12-dev libstdc++-12-dev linux-libc-dev
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav
)

install_tools() {
  local missing=() as_root=()
  for package in "${tools[@]}"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  say "installing: ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "not root and no sudo; run as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  # Another apt may be at work: wait for it instead of failing.
  "${as_root[@]}" apt-get update -qq -o DPkg::Lock::Timeout=600
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq -o DPkg::Lock::Timeout=600 --no-install-recommends "${missing[@]}" >/dev/null
}

# private_apt ARCHITECTURE TOOL…: apt with lists, cache and package state of its own under $cross/apt, so that arm64
# packages and other releases are at hand without a foreign architecture on the machine.
private_apt() {
  local arch=$1 root=$cross/apt
  shift
  APT_CONFIG=$root/apt.conf "$1" -qq -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" "${@:2}"
}

set_up_apt() {
  local root=$cross/apt mirror
  # The mirror is the one that this machine already uses.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | sort -u | sed -n 1p)
  [ -n "$mirror" ] || fail "apt has no Debian mirror; run \`apt-get update\` first"
  mkdir -p "$root"/{state/lists/partial,cache/archives/partial,parts}
  : >"$root/state/status"
  {
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $codename main"
    # rust-src of a recent Rust; nothing else is taken from there.
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie-backports main"
  } >"$root/sources.list"
  # Sandbox user root: the files are the caller's, the user _apt could not write here.
  cat >"$root/apt.conf" <<CONF
Dir::State "$root/state"; Dir::State::status "$root/state/status"; Dir::Cache "$root/cache";
Dir::Etc::sourcelist "$root/sources.list"; Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-"; Dir::Etc::preferencesparts "$root/parts";
APT::Sandbox::User "root"; Acquire::Languages "none"; APT::Install-Recommends "false";
CONF
  APT_CONFIG=$root/apt.conf apt-get -qq -o 'APT::Architectures=amd64,arm64' update
}

# The std source of exactly the pinned Rust, unpacked beside everything else.
fetch_std_source() {
  local version
  version=$(private_apt amd64 apt-cache madison rust-src | awk -v want="$rust_version" '
    { split($3, part, "+"); if (part[1] == want && !found) { print $3; found = 1 } }')
  [ -n "$version" ] || fail "Debian's backports have no rust-src $rust_version; run \`rustup target add $target\` instead"
  rm -rf "$cross/rust-src" "$cross/debs"
  mkdir -p "$cross/debs"
  (cd "$cross/debs" && private_apt amd64 apt-get download "rust-src=$version")
  dpkg-deb -x "$cross"/debs/rust-src_*.deb "$cross/rust-src"
}

# A copy of the toolchain that may be added to. Hard links: it costs no space, and new files stay in the copy.
copy_toolchain() {
  rm -rf "$cross/toolchain" "$cross/toolchain.part"
  cp -al "$sysroot" "$cross/toolchain.part" 2>/dev/null || {
    # Another file system: links can't reach it.
    rm -rf "$cross/toolchain.part"
    cp -a "$sysroot" "$cross/toolchain.part"
  }
  mkdir -p "$cross/toolchain.part/lib/rustlib/src"
  ln -sfn "$cross/rust-src/usr/src/rustc-$rust_version" "$cross/toolchain.part/lib/rustlib/src/rust"
  mv "$cross/toolchain.part" "$cross/toolchain"
}

# Builds std for the target and puts the libraries where `rustup target add` would have put them.
build_std() {
  local into=$cross/toolchain/lib/rustlib/$target/lib empty=$cross/std-build
  mkdir -p "$empty/src"
  echo '#![no_std]' >"$empty/src/lib.rs"
  printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2024"\n[profile.release]\ndebug = 0\n[workspace]\n' \
    >"$empty/Cargo.toml"
  # RUSTC_BOOTSTRAP: building std is what the stable compiler itself was built with this way; our code never sees it.
  (
    cd "$empty"
    export PATH=$cross/toolchain/bin:$PATH RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$empty/target
    export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc
    cargo build --quiet --release --target "$target" \
      -Zbuild-std=std,panic_abort,panic_unwind,proc_macro,test -Zbuild-std-features=panic-unwind,backtrace
  )
  rm -rf "$into"
  mkdir -p "$into"
  cp "$empty/target/$target"/release/deps/*.rlib "$into/"
  rm -f "$into"/libempty*
  if [ "$target" = x86_64-pc-windows-gnu ]; then
    # The two objects that every windows-gnu program starts and ends with.
    for object in rsbegin rsend; do
      RUSTC_BOOTSTRAP=1 "$cross/toolchain/bin/rustc" --target "$target" --emit=obj --crate-type=lib -Cpanic=abort -O \
        -o "$into/$object.o" "$cross/rust-src/usr/src/rustc-$rust_version/library/rtstartup/$object.rs"
    done
  fi
}

# The files of a Debian 12 arm64 machine: packages are resolved and unpacked, nothing of them is run.
make_sysroot() {
  local into=$cross/sysroot-arm64
  rm -rf "$into" "$into.part" "$cross/apt/cache/archives"/*.deb
  mkdir -p "$into.part/usr"/{bin,sbin,lib}
  # Debian's /bin, /sbin and /lib are links; packages still ship files under both names.
  for folder in bin sbin lib; do ln -s "usr/$folder" "$into.part/$folder"; done
  private_apt arm64 apt-get install -y --download-only -t "$codename" "${sysroot_packages[@]}" >/dev/null
  for package in "$cross/apt/cache/archives"/*.deb; do
    # Not `dpkg-deb -x`: it would turn the links above back into folders.
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink --no-same-owner -C "$into.part"
  done
  rm -f "$cross/apt/cache/archives"/*.deb
  # BLAS and LAPACK (FFmpeg's filters want them) are found through links that a package script would have made.
  for library in blas lapack; do
    [ ! -d "$into.part/usr/lib/aarch64-linux-gnu/$library" ] ||
      ln -sf "$library/lib$library.so.3" "$into.part/usr/lib/aarch64-linux-gnu/lib$library.so.3"
  done
  # Absolute links would lead out to this machine. Worst of all libm.so: the linker would silently take libm.a instead.
  find "$into.part" -type l -lname '/*' -printf '%P\t%l\n' | while IFS=$'\t' read -r link to; do
    up=$(dirname "$link" | sed 's|[^/][^/]*|..|g')
    ln -sfn "$up$to" "$into.part/$link"
  done
  mv "$into.part" "$into"
}

mkdir -p "$cross"
# Two runs at once would build into each other's folders.
exec 9>"$cross/lock"
flock --nonblock 9 || { say "waiting for another run"; flock 9; }
sysroot=$(rustc --print sysroot)
[ "$(rustc --version | cut -d ' ' -f 2)" = "$rust_version" ] || fail "rustc $rust_version is not the active compiler"

once "tools for $target" "${tools[*]}" install_tools
needs_std=yes
[ ! -d "$sysroot/lib/rustlib/$target/lib" ] || needs_std=no
if [ "$needs_std" = yes ] || [ "$target" = aarch64-unknown-linux-gnu ]; then
  once "package lists" "$codename" set_up_apt
fi
if [ "$needs_std" = yes ]; then
  once "std source" "$rust_version" fetch_std_source
  once "toolchain copy" "$rust_version $sysroot" copy_toolchain
  once "std for $target" "$rust_version $sysroot" build_std
fi
if [ "$target" = aarch64-unknown-linux-gnu ]; then
  once "arm64 sysroot" "$codename ${sysroot_packages[*]}" make_sysroot
fi
say "ready for $target"
