package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestEveryCommandHasAPage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man")
	if err := run([]string{dir}); err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"aex.1", "aex-run.1", "aex-agent-create.1", "aex-ledger-prune.1"} {
		if text, err := os.ReadFile(filepath.Join(dir, page)); err != nil || !bytes.Contains(text, []byte(".SH NAME")) {
			t.Errorf("%s: %.80q, %v", page, text, err)
		}
	}
}

func TestItSaysWhatItNeeds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, {"a", "b"}, {filepath.Join(file, "man")}} {
		if run(args) == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}
