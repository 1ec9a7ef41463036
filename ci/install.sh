#!/bin/sh
# install.sh VERSION DIR: puts the released aex for this machine into DIR,
# after its SHA-256 sum. INSTALL_AEX_FROM names a mirror of the releases.
set -eu
version=${1:?install.sh: which VERSION, for example 3.0.0}
dir=${2:?install.sh: into which DIR}
base=${INSTALL_AEX_FROM:-https://github.com/Auro-rium/aex/releases/download}/v$version

case $(uname -s) in
Linux) os=linux ;;
Darwin) os=darwin ;;
*) echo "install.sh: there is no aex for $(uname -s)" >&2; exit 1 ;;
esac
case $(uname -m) in
x86_64 | amd64) arch=amd64 ;;
aarch64 | arm64) arch=arm64 ;;
*) echo "install.sh: there is no aex for $(uname -m)" >&2; exit 1 ;;
esac
name=aex_${version}_${os}_$arch

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
curl -fsSL --retry 3 -o "$tmp/$name.tar.gz" "$base/$name.tar.gz"
curl -fsSL --retry 3 -o "$tmp/SHA256SUMS" "$base/SHA256SUMS"
want=$(sed -n "s/^\([0-9a-f]\{64\}\)  $name\.tar\.gz$/\1/p" "$tmp/SHA256SUMS")
if command -v sha256sum >/dev/null; then
  got=$(sha256sum "$tmp/$name.tar.gz")
else
  got=$(shasum -a 256 "$tmp/$name.tar.gz")
fi
if [ -z "$want" ] || [ "${got%% *}" != "$want" ]; then
  echo "install.sh: $name.tar.gz is not what SHA256SUMS says; nothing was installed" >&2
  exit 1
fi
tar -xzf "$tmp/$name.tar.gz" -C "$tmp"
mkdir -p "$dir"
mv "$tmp/$name/aex" "$dir/aex"
"$dir/aex" version >&2
