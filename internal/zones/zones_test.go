package zones

import (
	"archive/zip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain gives the machine time zones of its own, before package time looks.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "zones")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		_, all := names()
		for _, name := range []string{"Europe/Berlin", "right/Europe/Berlin"} {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				panic(err)
			}
			if err := os.WriteFile(path, all["America/New_York"], 0o600); err != nil {
				panic(err)
			}
		}
		os.Setenv("ZONEINFO", dir)
		return m.Run()
	}())
}

// names are the zones of the database, and what it has of each.
func names() (list []string, data map[string][]byte) {
	all, err := zip.NewReader(strings.NewReader(database), int64(len(database)))
	if err != nil {
		panic(err)
	}
	data = map[string][]byte{}
	for _, f := range all.File {
		r, err := f.Open()
		if err != nil {
			panic(err)
		}
		text := make([]byte, f.UncompressedSize64)
		if n, _ := r.Read(text); n > 0 {
			list = append(list, f.Name)
			data[f.Name] = text
		}
		r.Close()
	}
	return list, data
}

// The machine's zones, and what ZONEINFO leads to, do not matter.
func TestZonesAreThoseOfTheBinary(t *testing.T) {
	machine, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	berlin, err := Load("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	if _, ahead := noon.In(machine).Zone(); ahead != -4*3600 {
		t.Fatalf("the machine of this test does not have its own Berlin: %d", ahead)
	}
	if _, ahead := noon.In(berlin).Zone(); ahead != 2*3600 {
		t.Errorf("Berlin is %d seconds ahead of UTC in summer", ahead)
	}
	for _, name := range []string{"right/Europe/Berlin", "../Europe/Berlin", "Europe", "Europe/", "europe/berlin", "", "Local"} {
		if _, err := Load(name); err == nil {
			t.Errorf("%q is taken for a zone", name)
		}
	}
}

func TestEveryZoneLoads(t *testing.T) {
	list, _ := names()
	if len(list) < 500 {
		t.Fatalf("%d zones", len(list))
	}
	for _, name := range list {
		if loc, err := Load(name); err != nil || loc.String() != name {
			t.Errorf("%s: %v, %v", name, loc, err)
		}
	}
}
