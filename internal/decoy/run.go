//go:build linux

package decoy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/policy"
)

// Seen is what came of a program in the world: what its listener noted, and
// what the stand-in billed.
type Seen struct {
	Asked   []Asked              `json:"asked"`
	Entries []fakeprovider.Entry `json:"entries"`
}

// Run runs a command of aex in a world of its own, with a models.yaml by which
// the gateway, and nothing else, gets to the stand-in. key is the real key. What was seen is written to out as JSON.
// The process of this has namespaces of its own, see Attr.
func Run(ctx context.Context, out, key string, argv []string, output, complaints io.Writer) (code int, err error) {
	dir, err := os.MkdirTemp("", "decoy-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	provider := fakeprovider.New(fakeprovider.Options{Key: key})
	w, err := Open(ctx, dir, provider)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := os.WriteFile(filepath.Join(dir, "models.yaml"), []byte(w.models()), 0o600); err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = output, complaints
	cmd.Env = append(os.Environ(), "AEX_CONFIG_DIR="+dir)
	for _, name := range []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"} {
		cmd.Env = append(cmd.Env, name+"="+w.CA)
	}
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		return 0, fmt.Errorf("running %s: %w", argv[0], err)
	}
	provider.Release()
	seen, err := json.Marshal(Seen{w.Asked(), provider.Bill()})
	if err != nil {
		return 0, err
	}
	return cmd.ProcessState.ExitCode(), os.WriteFile(out, seen, 0o600)
}

// models leads the gateway by the proxy to whatever provider it asks.
func (w *World) models() string {
	text := "version: 1\nproviders:\n"
	for _, p := range policy.BuiltinProviders() {
		text += fmt.Sprintf("  %s: {proxy: %q, ca_file: %q}\n", p.Name, Proxy, w.CA)
	}
	return text
}
