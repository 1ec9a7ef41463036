//go:build linux

package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha1" //nolint:gosec // npm's shasum
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// serveNPM is a registry that has the packages of /dist, and no others.
func serveNPM(l net.Listener) {
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:gosec // of a test
		path := strings.TrimPrefix(r.URL.Path, "/")
		if strings.HasSuffix(path, ".tgz") {
			http.ServeFile(w, r, "/dist/"+filepath.Base(path))
			return
		}
		for _, file := range tarballs() {
			about, body, err := packageJSON(file)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			if about["name"] == path {
				_ = json.NewEncoder(w).Encode(packument(about, body, "http://"+l.Addr().String()+"/"+filepath.Base(file)))
				return
			}
		}
		http.NotFound(w, r)
	}))
}

func tarballs() []string {
	found, _ := filepath.Glob("/dist/*.tgz")
	return found
}

// packument is what a registry says of a package with one version.
func packument(about map[string]any, body []byte, url string) map[string]any {
	version, _ := about["version"].(string)
	short, long := sha1.Sum(body), sha512.Sum512(body) //nolint:gosec // npm's shasum
	about["dist"] = map[string]string{
		"tarball": url, "shasum": hex.EncodeToString(short[:]), "integrity": "sha512-" + base64.StdEncoding.EncodeToString(long[:]),
	}
	return map[string]any{"name": about["name"], "dist-tags": map[string]string{"latest": version}, "versions": map[string]any{version: about}}
}

// packageJSON reads package.json out of a package.
func packageJSON(file string) (about map[string]any, body []byte, err error) {
	if body, err = os.ReadFile(file); err != nil {
		return nil, nil, err
	}
	z, err := gzip.NewReader(strings.NewReader(string(body)))
	if err != nil {
		return nil, nil, err
	}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if err != nil {
			return nil, nil, err
		}
		if h.Name == "package/package.json" {
			text, err := io.ReadAll(t)
			if err != nil {
				return nil, nil, err
			}
			err = json.Unmarshal(text, &about)
			return about, body, err
		}
	}
}
