package ledger

import (
	"os"
	"path/filepath"
	"testing"
)

// TestAnotherMachineIsVerified where nothing tells how, also where its name stands in a service file.
func TestAnotherMachineIsVerified(t *testing.T) {
	for _, name := range []string{"PGSSLMODE", "PGHOST", "PGSERVICE"} {
		t.Setenv(name, "")
		_ = os.Unsetenv(name)
	}
	services := filepath.Join(t.TempDir(), "services")
	if err := os.WriteFile(services, []byte("[prod]\nhost=db.example\n[plain]\nhost=db.example\nsslmode=disable\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGSERVICEFILE", services)
	for address, verified := range map[string]bool{
		"postgres://g@db.example/aex":                   true,
		"postgres://g@127.0.0.1,db.example/aex":         true,
		"postgres:///aex?service=prod":                  true,
		"postgres:///aex?service=plain":                 false,
		"postgres://g@db.example/aex?sslmode=require":   false,
		"postgres://g@127.0.0.1/aex":                    false,
		"postgres://g@localhost/aex?connect_timeout=10": false,
	} {
		s, err := parseServer(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		is := s.config.TLSConfig != nil && !s.config.TLSConfig.InsecureSkipVerify && !takesAnything(s.config)
		if is != verified {
			t.Errorf("%s: verified %v", address, is)
		}
	}
}
