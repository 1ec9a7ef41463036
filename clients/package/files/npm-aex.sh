#!/bin/sh
# Becomes the aex binary that npm installed for this platform.
self=$0
while [ -L "$self" ]; do
  link=$(readlink "$self")
  case $link in
  /*) self=$link ;;
  *) self=${self%/*}/$link ;;
  esac
done
dir=$(CDPATH=; cd "${self%/*}" && pwd -P) || exit 125

case $(uname -s) in
Linux) os=linux ;;
Darwin) os=darwin ;;
*) os=$(uname -s) ;;
esac
case $(uname -m) in
x86_64 | amd64) cpu=x64 ;;
aarch64 | arm64) cpu=arm64 ;;
*) cpu=$(uname -m) ;;
esac

# As Node looks for packages: in node_modules of each folder above.
while :; do
  aex=$dir/node_modules/@auro-rium/aex-$os-$cpu/bin/aex
  [ -x "$aex" ] && exec "$aex" "$@"
  [ "$dir" = / ] || [ -z "$dir" ] && break
  dir=${dir%/*}
done
echo "aex: the package @auro-rium/aex-$os-$cpu, which holds the binary, is not installed" >&2
echo "aex: hint: aex runs on Linux and macOS, on x86-64 and arm64; install it without --omit=optional" >&2
exit 125
