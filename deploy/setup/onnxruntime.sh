#!/usr/bin/env bash
# Puts ONNX Runtime's library into a folder, for programs that were built with `--features onnxruntime`.
#
#   onnxruntime.sh FOLDER      prints the path of the library
#
# The library is the one inside the Python package of the same name (for the processor only). On a Jetson use the one that
# belongs to the board's system instead: it knows the GPU. Idempotent.
set -euo pipefail

version=1.32.0
folder=${1:?usage: onnxruntime.sh FOLDER}
library=$folder/$version/libonnxruntime.so

if [ ! -e "$library" ]; then
  python3 -m pip --version >/dev/null 2>&1 || {
    echo "error: Python's pip is missing; install it: apt-get install python3-pip" >&2
    exit 1
  }
  mkdir -p "$folder"
  parts=$(mktemp -d -p "$folder")
  trap 'rm -rf "$parts"' EXIT
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --dest "$parts" "onnxruntime==$version" >&2
  python3 - "$parts" <<'PYTHON'
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
    name = next(n for n in wheel.namelist() if n.rsplit("/", 1)[-1].startswith("libonnxruntime.so"))
    (folder / "libonnxruntime.so").write_bytes(wheel.read(name))
PYTHON
  mkdir -p "$(dirname "$library")"
  # Whole or not at all.
  mv "$parts/libonnxruntime.so" "$library"
fi
echo "$library"
