package policy

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzModelsFile: every file is refused with its place, or makes a registry
// whose every model can be resolved and priced.
func FuzzModelsFile(f *testing.F) {
	files, err := filepath.Glob("testdata/models/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal(len(files), err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseModelsFile("models.yaml", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "models.yaml:") {
				t.Fatalf("no place: %v", err)
			}
			return
		}
		r := &Registry{declared: m.providers, providers: m.providers, models: m.models, given: &catalogue{}}
		for name, entry := range m.models {
			model, err := r.resolveNamed(entry)
			if err != nil {
				if !errors.Is(err, ErrUnpriced) {
					t.Fatal(err)
				}
				continue
			}
			cost, err := Cost(model.Price, Usage{Input: 1_000_000}, "")
			if err != nil || cost < 0 || model.Name != name {
				t.Fatalf("%q costs %d, %v", name, cost, err)
			}
		}
	})
}

// FuzzPriceFlag: what is accepted can be written down and read again.
func FuzzPriceFlag(f *testing.F) {
	for _, s := range []string{"m=0.60/2.40", "a=b=1/2", "m=-1/2", "=", "m=1e9/inf", "m=0.000001/10000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		model, p, err := parsePriceFlag(s)
		if err != nil {
			return
		}
		again, q, err := parsePriceFlag(model + "=" + dollars(*p.Input, 6) + "/" + dollars(*p.Output, 6))
		if err != nil || again != model || *q.Input != *p.Input || *q.Output != *p.Output || *p.Input < 0 || *p.Input > maxPerMillion {
			t.Fatalf("%q: %s, again %s, %v", s, p, q, err)
		}
	})
}

// FuzzNames: a name finds a row only if it is a name of that row, or one with a
// date behind it.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"gpt-5", "gpt-5-2025-08-07", "gpt-5-pro", "claude-opus-4-5@20251101", "models/gemini-2.5-pro", "gpt-5-latest-latest"} {
		f.Add(s)
	}
	c, err := parseCatalogue(pricesJSON)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for _, b := range builtins {
			row := c.find(b.Name, name)
			if row == nil {
				continue
			}
			asked := strings.TrimPrefix(strings.ToLower(name), "models/")
			ok := false
			for _, own := range append([]string{row.ID}, row.Aliases...) {
				rest, begins := strings.CutPrefix(asked, strings.ToLower(own))
				ok = ok || begins && (rest == "" || rest == "-latest" || rest == "@latest" || rest == "@default" ||
					(rest[0] == '-' || rest[0] == '@') && len(rest) >= 9 && strings.Trim(rest[1:], "0123456789-") == "")
			}
			if !ok {
				t.Fatalf("%q is taken for %s at %s", name, row.ID, b.Name)
			}
		}
	})
}

// FuzzFile: every policy file is refused with its place, or bounds what it says.
func FuzzFile(f *testing.F) {
	f.Add([]byte(wholeFile), false)
	f.Add([]byte("version: 1\nenv: {A: b}\n"), true)
	f.Add([]byte("version: 1\nbudget: '$3'\n"), false)
	f.Fuzz(func(t *testing.T, data []byte, named bool) {
		file, err := ParseFile("aex.yaml", data, named, Checks{})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "aex.yaml:") {
				t.Fatalf("no place: %v", err)
			}
			return
		}
		if err := file.Capabilities.Check(); err != nil {
			t.Fatal(err)
		}
		if !named && (file.Env != nil || file.EnvFile != "" || file.ModelsFile != "") || file.Budget != nil && *file.Budget < 0 {
			t.Fatalf("%+v", file)
		}
	})
}

// FuzzCapabilities: what is accepted means the same when it is written again.
func FuzzCapabilities(f *testing.F) {
	f.Add([]byte(`{"allowed_models":["gpt-*"],"allow_tools":true}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		caps, err := ParseCapabilities(data)
		if err != nil || len(data) == 0 {
			return
		}
		text, err := json.Marshal(caps)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseCapabilities(text)
		if back, _ := json.Marshal(again); err != nil || string(back) != string(text) {
			t.Fatalf("%s, again %s, %v", text, back, err)
		}
	})
}
