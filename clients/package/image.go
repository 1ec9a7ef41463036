package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// imageUser is nobody in particular, and not root.
const imageUser = 65532

// image writes an OCI layout with an image for each Linux target, from
// nothing: the binary, certificates, a user, and /data for what aex keeps.
func (r *release) image() error {
	var index v1.ImageIndex = mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, t := range r.targets {
		if t.os != "linux" {
			continue
		}
		img, err := r.imageFor(t)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        img,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: t.os, Architecture: t.arch}},
		})
	}
	dir := filepath.Join(r.out, "image")
	path, err := layout.Write(dir, mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	if err != nil {
		return err
	}
	if err := path.AppendIndex(index, layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": r.version,
	})); err != nil {
		return err
	}
	return r.archiveImage(dir)
}

// imageFor is the image of one target: a single layer and how to run it.
func (r *release) imageFor(t target) (v1.Image, error) {
	root, err := r.imageRoot(t)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(root)), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.Append(img, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: r.date}, CreatedBy: "aex, from an empty image"}})
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = t.os, t.arch, v1.Time{Time: r.date}
	config.Config = r.imageConfig()
	return mutate.ConfigFile(img, config)
}

// imageConfig serves on every address of the container, which aex refuses
// until it is given a certificate, or told that plain text is meant.
func (r *release) imageConfig() v1.Config {
	return v1.Config{
		User:         fmt.Sprintf("%d:%d", imageUser, imageUser),
		Env:          []string{"PATH=/usr/bin", "HOME=/data", "AEX_HOME=/data", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
		Entrypoint:   []string{"/usr/bin/aex"},
		Cmd:          []string{"serve", "--listen", "0.0.0.0"},
		WorkingDir:   "/data",
		ExposedPorts: map[string]struct{}{"9000/tcp": {}},
		Volumes:      map[string]struct{}{"/data": {}},
		StopSignal:   "SIGTERM",
		Healthcheck: &v1.HealthConfig{
			Test:     []string{"CMD", "/usr/bin/aex", "daemon", "status", "--health"},
			Interval: 30 * time.Second, Timeout: 5 * time.Second, StartPeriod: 10 * time.Second, Retries: 3,
		},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "aex",
			"org.opencontainers.image.version":  r.version,
			"org.opencontainers.image.revision": r.commit,
			"org.opencontainers.image.source":   "https://github.com/Auro-rium/aex",
			"org.opencontainers.image.licenses": "MIT",
		},
	}
}

// imageRoot is the image's file system as a tar. /tmp and /data are the only
// places that are written to, and both may be mounts: the root can be read-only.
func (r *release) imageRoot(t target) ([]byte, error) {
	binary, err := os.ReadFile(r.binary(t))
	if err != nil {
		return nil, err
	}
	var certificates bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue // to be trusted under conditions only, which a file cannot state
		}
		if err := pem.Encode(&certificates, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	passwd := fmt.Sprintf("root:x:0:0:root:/:/sbin/nologin\naex:x:%[1]d:%[1]d:aex:/data:/sbin/nologin\n", imageUser)
	groups := fmt.Sprintf("root:x:0:\naex:x:%d:\n", imageUser)
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	made := make(map[string]bool)
	for _, f := range []file{
		{"etc/group", 0o644, []byte(groups)},
		{"etc/passwd", 0o644, []byte(passwd)},
		{"etc/ssl/certs/ca-certificates.crt", 0o644, certificates.Bytes()},
		{"usr/bin/aex", 0o755, binary},
		{"usr/share/doc/aex/LICENSE", 0o644, r.papers.licence},
	} {
		if err := writeParents(w, f.name, made, r.date); err != nil {
			return nil, err
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.body)), ModTime: r.date, Format: tar.FormatUSTAR}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.body); err != nil {
			return nil, err
		}
	}
	for _, dir := range []tar.Header{
		{Name: "data/", Mode: 0o700, Uid: imageUser, Gid: imageUser},
		{Name: "tmp/", Mode: 0o1777},
	} {
		dir.Typeflag, dir.ModTime, dir.Format = tar.TypeDir, r.date, tar.FormatUSTAR
		if err := w.WriteHeader(&dir); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), w.Close()
}

// archiveImage puts the layout into one file, which podman and skopeo load.
func (r *release) archiveImage(dir string) error {
	var files []file
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		files = append(files, file{filepath.ToSlash(name), 0o644, body})
		return err
	})
	if err != nil {
		return err
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.body)), ModTime: r.date, Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		if _, err := w.Write(f.body); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return r.put(fmt.Sprintf("aex_%s_image.tar", r.version), out.Bytes())
}
