//go:build linux

package main

import (
	"archive/tar"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// imageOf reads the image of an architecture out of the layout, and checks
// every digest on the way.
func imageOf(t *testing.T, arch string) v1.Image {
	t.Helper()
	ofDist(t, "*_linux_"+arch+".tar.gz")
	outer, err := layout.ImageIndexFromPath(filepath.Join(dist, "image"))
	must(t, err)
	must(t, validate.Index(outer))
	top, err := outer.IndexManifest()
	must(t, err)
	if len(top.Manifests) != 1 {
		t.Fatalf("the layout has %d entries", len(top.Manifests))
	}
	index, err := outer.ImageIndex(top.Manifests[0].Digest)
	must(t, err)
	manifest, err := index.IndexManifest()
	must(t, err)
	for _, m := range manifest.Manifests {
		if m.Platform != nil && m.Platform.OS == "linux" && m.Platform.Architecture == arch {
			img, err := index.Image(m.Digest)
			must(t, err)
			return img
		}
	}
	t.Fatalf("the layout has no image for linux/%s", arch)
	return nil
}

// unpack writes an image's file system to a folder, owners included.
func unpack(t *testing.T, img v1.Image, dir string) {
	t.Helper()
	r := mutate.Extract(img)
	defer r.Close()
	for files := tar.NewReader(r); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		must(t, err)
		path := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			must(t, os.MkdirAll(path, 0o755))
		} else {
			body, err := io.ReadAll(files)
			must(t, err)
			must(t, os.MkdirAll(filepath.Dir(path), 0o755))
			must(t, os.WriteFile(path, body, 0o600))
		}
		must(t, os.Chown(path, h.Uid, h.Gid))
		must(t, os.Chmod(path, os.FileMode(h.Mode)&os.ModePerm))
		if h.Mode&0o1000 != 0 {
			must(t, os.Chmod(path, os.FileMode(h.Mode)&os.ModePerm|os.ModeSticky))
		}
	}
}

// TestImage runs the unpacked image as an engine would with a read-only root:
// its user, its environment and nothing else, /data and /tmp to write in.
func TestImage(t *testing.T) {
	img := imageOf(t, "amd64")
	config, err := img.ConfigFile()
	must(t, err)
	c := config.Config
	if c.User != "65532:65532" || c.Healthcheck == nil || c.Labels["org.opencontainers.image.version"] != "3.0.0" || len(config.RootFS.DiffIDs) != 1 {
		t.Errorf("%+v", c)
	}
	root, err := os.MkdirTemp("/var/tmp", "aex-image-") // a room has a /tmp of its own
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	must(t, os.Chmod(root, 0o755))
	unpack(t, img, root)
	bundle, err := os.ReadFile(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"))
	must(t, err)
	roots := 0
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		roots++
	}
	if roots < 100 {
		t.Errorf("%d certificates", roots)
	}
	must(t, os.Mkdir(filepath.Join(root, "proc"), 0o755)) // an engine makes these two
	must(t, os.Mkdir(filepath.Join(root, "dev"), 0o755))
	health, command := "", ""
	for _, word := range c.Healthcheck.Test[1:] {
		health += " " + word
	}
	for _, word := range append(c.Entrypoint, c.Cmd...) {
		command += " " + word
	}
	out := room(t, `
mount --bind `+root+` `+root+`
mount -o remount,bind,ro `+root+`
mount -t tmpfs -o mode=0700,uid=65532,gid=65532 data `+root+`/data
mount -t tmpfs -o mode=1777 tmp `+root+`/tmp
mount -t proc proc `+root+`/proc
mount --rbind /dev `+root+`/dev
`+inImage(root, c.Env)+`
began=$(date +%s)
in_image /usr/bin/aex --version
in_image /usr/bin/aex demo
echo "took $(( $(date +%s) - began )) s"
if in_image`+command+`; then echo "it served without being told how"; exit 1; fi
if in_image`+health+`; then echo "healthy without a server"; exit 1; fi
in_image`+command+` --allow-plaintext 2>/data.log &
until in_image`+health+` 2>/dev/null; do :; done
/usr/bin/python3 -c 'import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:9000/health").read().decode())'
in_image /usr/bin/aex agent create atlas 1 30
in_image /usr/bin/aex audit
ls -ln `+root+`/data
if touch `+root+`/usr/bin/x 2>/dev/null; then echo "the root can be written"; exit 1; fi
`)
	demoed(t, out)
	has(t, out, "healthy", `"status"`, "Token: ", "65532 65532", "--allow-plaintext")
}

// inImage is a function of the shell that runs a command as an engine would:
// in the root, as the image's user, with the image's environment alone.
func inImage(root string, env []string) string {
	function := "in_image() { env -i"
	for _, entry := range env {
		function += " " + entry
	}
	return function + " /usr/sbin/chroot --userspec=65532:65532 --groups= " + root + ` "$@"; }`
}

// TestImageArm64: the other architecture's has the other binary.
func TestImageArm64(t *testing.T) {
	img := imageOf(t, "arm64")
	dir := t.TempDir()
	unpack(t, img, dir)
	inside, err := os.ReadFile(filepath.Join(dir, "usr/bin/aex"))
	must(t, err)
	built, err := os.ReadFile(filepath.Join(dist, "binaries/linux_arm64/aex"))
	must(t, err)
	if string(inside) != string(built) {
		t.Error("it is not the binary of linux/arm64")
	}
}
