//go:build linux

package main

import (
	"os"
	"strings"
	"testing"
)

// demo is what every installation must do, and how long it took in all, which
// is told and not judged.
const demo = `
aex --version
aex demo
echo "took $(( $(date +%s) - began )) s"
`

// demoed fails unless the demo ended as it should.
func demoed(t *testing.T, out string) {
	t.Helper()
	has(t, out, "AEX 3.0.0", "exit code 121", "invariant checks passed", "The provider's own bill")
	if _, took, ok := strings.Cut(out, "\ntook "); ok {
		t.Logf("installing and aex demo: %s", strings.SplitN(took, "\n", 2)[0])
	}
}

// TestPip: as in README.md, with dist in place of PyPI, and without any.
func TestPip(t *testing.T) {
	ofDist(t, "*manylinux_2_17_x86_64*.whl")
	venv := "/usr/bin/python3 -m venv /tmp/env; PATH=/tmp/env/bin:$PATH; began=$(date +%s)\n"
	out := room(t, venv+line(t, "README.md", "pip install aex")+demo+`
python -m aex version
python -c 'from aex.integrations import get_base_url; print("helper:", get_base_url())'
python -c 'import aex; print("binary:", aex.find_binary())'
set +e; aex run -b 1 -- sh -c 'exit 7'; echo "program's exit code: $?"; set -e
`+line(t, "docs/operations.md", "pip uninstall")+`
hash -r; if command -v aex; then echo "it is still there"; exit 1; fi
`, "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/dist", "PIP_DISABLE_PIP_VERSION_CHECK=1")
	demoed(t, out)
	has(t, out, "helper: http://127.0.0.1:9000/v1", "binary: /tmp/env/bin/aex", "program's exit code: 7")
	out = room(t, venv+"cd /\n"+line(t, "docs/operations.md", "pip install --no-index")+demo)
	demoed(t, out)
}

// TestPipElsewhere: what pip picks for other platforms; where there is no aex,
// the command says so.
func TestPipElsewhere(t *testing.T) {
	script := "/usr/bin/python3 -m venv /tmp/env; PATH=/tmp/env/bin:$PATH\n"
	want := []string{"aex-3.0.0-py3-none-any.whl", "exit code 125", "there is no aex for", "Linux and macOS"}
	for platform, wheel := range map[string]string{
		"musllinux_1_2_x86_64": "musllinux_1_1_x86_64", "manylinux_2_28_aarch64": "manylinux2014_aarch64", "musllinux_1_1_aarch64": "musllinux_1_1_aarch64",
		"macosx_14_0_arm64": "macosx_12_0_arm64", "macosx_13_0_x86_64": "macosx_12_0_x86_64",
		"win_amd64": "any", "manylinux_2_17_s390x": "any", "macosx_11_0_arm64": "any",
	} {
		if found, _ := os.ReadDir(dist); !strings.Contains(names(found), wheel+".") {
			continue // made for other targets
		}
		tags := "--platform " + platform
		if strings.HasPrefix(platform, "manylinux_2_28") { // pip does not expand a tag that it is given
			tags += " --platform manylinux_2_17_aarch64"
		}
		if strings.HasPrefix(platform, "musllinux_1_2") {
			tags += " --platform musllinux_1_1_x86_64"
		}
		script += "mkdir -p /tmp/" + platform + "; pip download -q --no-index --find-links /dist --no-deps --only-binary=:all: " + tags + " -d /tmp/" + platform + " aex\n" +
			"echo " + platform + ": $(ls /tmp/" + platform + ")\n"
		want = append(want, platform+": aex-3.0.0-py3-none-", wheel)
		if wheel == "any" {
			want = append(want, platform+": aex-3.0.0-py3-none-any.whl")
		}
	}
	script += `
pip install -q --no-index /dist/aex-3.0.0-py3-none-any.whl
set +e
aex run -b 1 -- true; echo "exit code $?"
python -m aex version; echo "module's exit code $?"
`
	has(t, room(t, script), append(want, "module's exit code 125")...)
}

func names(entries []os.DirEntry) string {
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(e.Name() + "\n")
	}
	return b.String()
}

// TestNPM: as in README.md, from a registry that has dist, and from the files.
func TestNPM(t *testing.T) {
	ofDist(t, "auro-rium-aex-linux-x64-*.tgz")
	prefix := "npm config set prefix /tmp/npm; PATH=/tmp/npm/bin:$PATH; began=$(date +%s)\n"
	out := room(t, prefix+line(t, "README.md", "npm install -g aex")+demo+`
set +e
aex run -b 1 -- sh -c 'exit 7'; echo "program's exit code: $?"
aex run -b 1 -- sh -c 'kill -TERM $$'; echo "program's signal: $?"
set -e
`+line(t, "docs/operations.md", "npm uninstall -g aex")+`
hash -r; if command -v aex; then echo "it is still there"; exit 1; fi
mkdir project; cd project; npm init -y >/dev/null; npm install aex; npx aex version
`, "npm_config_registry=http://127.0.0.1:4873", "npm_config_fund=false", "npm_config_audit=false", "npm_config_update_notifier=false")
	demoed(t, out)
	has(t, out, "program's exit code: 7", "program's signal: 143")
	out = room(t, prefix+"cd /\n"+line(t, "docs/operations.md", "npm install -g ./dist/")+demo, "npm_config_offline=true", "npm_config_update_notifier=false")
	demoed(t, out)
}

// TestNPMWithoutBinary: the platform's package left out.
func TestNPMWithoutBinary(t *testing.T) {
	out := room(t, `mkdir project; cd project; npm init -y >/dev/null
npm install --omit=optional aex
set +e; npx aex version; echo "exit code $?"
`, "npm_config_registry=http://127.0.0.1:4873", "npm_config_update_notifier=false")
	has(t, out, "exit code 125", "@auro-rium/aex-linux-x64, which holds the binary, is not installed", "hint:")
}

// TestDeb: installed and removed by dpkg; the service is neither enabled nor
// started, and its unit is sound.
func TestDeb(t *testing.T) {
	ofDist(t, "*_amd64.deb")
	out := room(t, `sudo() { "$@"; }; cd /
`+line(t, "docs/operations.md", "sudo dpkg -i dist/")+`
aex version && dpkg -r aex
cd /dist; began=$(date +%s)
`+line(t, "README.md", "sudo dpkg -i")+demo+`
id aex
systemctl --root=/ is-enabled aex.service || true
systemd-analyze verify /usr/lib/systemd/system/aex.service && echo "the unit is sound"
stat -c '%a %U %n' /etc/aex/aex.env
ls /usr/share/man/man1/aex-run.1* /usr/share/bash-completion/completions/aex /usr/share/zsh/vendor-completions/_aex /usr/share/fish/vendor_completions.d/aex.fish
dpkg --verify aex && echo "all is as it was packed"
`+line(t, "docs/operations.md", "sudo dpkg -r")+`
hash -r; if command -v aex; then echo "it is still there"; exit 1; fi
test -f /etc/aex/aex.env && echo "configuration is kept"
`)
	demoed(t, out)
	has(t, out, "(aex)", "disabled", "the unit is sound", "600 root /etc/aex/aex.env", "all is as it was packed", "configuration is kept")
}

// TestRPM: the files in an empty root, and installed and removed by rpm. What
// Debian does not tell rpm of is not asked for.
func TestRPM(t *testing.T) {
	file := ofDist(t, "*.x86_64.rpm")
	out := room(t, `mkdir /tmp/empty; cd /tmp/empty; began=$(date +%s)
rpm2cpio /dist/`+file[strings.LastIndex(file, "/")+1:]+` | cpio -idm --quiet --no-absolute-filenames
PATH=/tmp/empty/usr/bin:$PATH`+demo+`
ls usr/share/zsh/site-functions/_aex usr/lib/systemd/system/aex.service
cd /; rm -r /tmp/empty; hash -r
sudo() { "$@" --nodeps; }
`+line(t, "docs/operations.md", "sudo rpm -i")+`
rpm -V --nodeps aex && aex version && echo "rpm installed it"
rpm -q --requires --provides aex
`+line(t, "docs/operations.md", "sudo rpm -e")+`
hash -r; if command -v aex; then echo "it is still there"; exit 1; fi
`)
	demoed(t, out)
	has(t, out, "rpm installed it")
}

// TestAPK: there is no apk here; its file is a tar of control and data, and
// musl is no matter to a static binary.
func TestAPK(t *testing.T) {
	file := ofDist(t, "*_x86_64.apk")
	out := room(t, `mkdir /tmp/root; cd /tmp/root; began=$(date +%s)
tar xzf /dist/`+file[strings.LastIndex(file, "/")+1:]+` 2>&1
cat .PKGINFO; ls -a
PATH=/tmp/root/usr/bin:$PATH`+demo)
	demoed(t, out)
	has(t, out, "pkgname = aex", "arch = x86_64")
}

// curl gives the files of this release for their addresses.
const curl = `mkdir -p /tmp/bin; cat > /tmp/bin/curl <<'END'
#!/bin/sh
out=/dev/stdout
while [ $# -gt 0 ]; do
  case $1 in
  -o) out=$2; shift ;;
  https://github.com/Auro-rium/aex/releases/download/v3.0.0/*) file=/dist/${1##*/} ;;
  https://raw.githubusercontent.com/Auro-rium/aex/v3.0.0/*) file=/repository/${1#*/v3.0.0/} ;;
  --retry) shift ;;
  -*) ;;
  *) echo "curl: there is no $1 here" >&2; exit 6 ;;
  esac
  shift
done
exec cat "$file" > "$out"
END
chmod +x /tmp/bin/curl; PATH=/tmp/bin:$PATH
`

// TestArchive: README.md's line, the sums, and the script for CI, which takes
// nothing that is not what the sums say.
func TestArchive(t *testing.T) {
	ofDist(t, "*_linux_amd64.tar.gz")
	out := room(t, curl+"began=$(date +%s)\n"+line(t, "README.md", "curl -fsSL")+`
PATH=$PWD/aex_3.0.0_linux_amd64:$PATH`+demo+`
ls aex_3.0.0_linux_amd64/man/man1/aex-run.1 aex_3.0.0_linux_amd64/completions/_aex aex_3.0.0_linux_amd64/LICENSE
(cd / && `+line(t, "docs/operations.md", "cd dist && sha256sum")+`)
mkdir /tmp/below; cd /tmp/below; ln -s /dist dist
`+line(t, "docs/operations.md", "tar xzf dist/")+`
aex_3.0.0_linux_amd64/aex version
`)
	demoed(t, out)
	has(t, out, "aex_3.0.0_linux_amd64.tar.gz: OK")
	out = room(t, curl+line(t, "docs/ci.md", "curl -fsSL")+`
"$HOME/bin/aex" version; rm "$HOME/bin/aex"
mkdir /tmp/bad; cp /dist/SHA256SUMS /tmp/bad; cp /dist/*_linux_amd64.tar.gz /tmp/bad; echo x >> /tmp/bad/aex_3.0.0_linux_amd64.tar.gz
sed -i 's|file=/dist/|file=/tmp/bad/|' /tmp/bin/curl
if sh /repository/ci/install.sh 3.0.0 "$HOME/bin"; then exit 1; fi
test ! -e "$HOME/bin/aex" && echo "nothing was put there"
`)
	has(t, out, "AEX 3.0.0", "is not what SHA256SUMS says", "nothing was put there")
}

// TestArm64: the archive's binary under emulation. The kernel is told of the
// emulator, because the demo starts itself again.
func TestArm64(t *testing.T) {
	ofDist(t, "*_linux_arm64.tar.gz")
	out := room(t, `began=$(date +%s)
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
if [ ! -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ]; then
  printf '%s' ':qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64-static:F' > /proc/sys/fs/binfmt_misc/register
  trap 'echo -1 > /proc/sys/fs/binfmt_misc/qemu-aarch64' EXIT
fi
tar xzf /dist/aex_3.0.0_linux_arm64.tar.gz
PATH=$PWD/aex_3.0.0_linux_arm64:$PATH`+demo)
	demoed(t, out)
	has(t, out, "linux/arm64")
}
