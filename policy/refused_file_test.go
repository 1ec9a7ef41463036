package policy

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestWrongValues: every value of a policy file has one form, and what is not of
// that form is refused where it stands.
func TestWrongValues(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"budget: [1]", "2:9: this is a list; write dollars"},
		{"budget: true", "2:9: this is true or false; write dollars"},
		{"budget: 5/day", `2:9: budget: it is for one run; write "5"`},
		{"timeout: [30m]", "2:10: this is not a length of time"},
		{"timeout: 0s", "2:10: this is not a length of time"},
		{"timeout: -5m", "2:10: this is not a length of time"},
		{"timeout: soon", "2:10: this is not a length of time"},
		{"timezone: 5", "2:11: this is a number; write text"},
		{"timezone: Nowhere/City", `2:11: there is no time zone "Nowhere/City"`},
		{"timezone: Local", `2:11: there is no time zone "Local"`},
		{"agent: 5", "2:8: this is a number; write text"},
		{"agent: ''", "2:8: this is text; write text"},
		{"agent: [a]", "2:8: this is a list; write text"},
		{"agent: true", "2:8: this is true or false; write text"},
		{"agent: null", "2:8: this is empty; write text"},
		{"locked: maybe", "2:9: this is text; write true or false"},
		{"locked: [true]", "2:9: this is a list; write true or false"},
		{"locked: !!bool [true]", "2:9: this is a list; write true or false"},
		{"limits: {concurrency: 1.5}", "2:23: this is a number; write a whole number"},
		{"limits: {concurrency: [1]}", "2:23: this is a list; write a whole number"},
		{"limits: {concurrency: 1000000001}", "2:23: 1000000001 is not a whole number from 1 to 1000000000"},
		{"limits: {concurrency: 99999999999999999999}", "2:23: "},
		{"limits: [1]", "2:9: limits is a list; write limits: {requests_per_minute: 60}"},
		{"on_exhausted: [kill]", "2:15: this must be one of kill, refuse, ask"},
		{"models: {allow: [gpt-4o, {a: b}]}", "2:26: this is a mapping; write text"},
		{"allow_local: {a: b}", "2:14: this is a mapping; write a list of ports"},
		{"allow_local: []", "2:14: this is a list; write a list of ports"},
		{"allow_local: [0]", `2:15: "0" is not a port`},
		{"allow_local: [70000]", `2:15: "70000" is not a port`},
		{"allow_local: [[1]]", `2:15: "" is not a port`},
		{"'': 1", "2:1: a key of the file is text; write a name"},
		{"? [a]\n: b", "2:3: a key of the file is a list; write a name"},
		{"<<: {agent: x}", "2:1: a key of the file is"},
		{"&a agent: x\nenv_file: *a", "3:11: anchors are not supported"},
		{"agent: &a x", "2:8: anchors are not supported"},
		{"x: 1", `2:1: unknown key "x" in the file; known are`},
		{"xy: 1", `2:1: unknown key "xy" in the file; known are`},
		{"agnt: x", `2:1: unknown key "agnt" in the file; did you mean agent?`},
		{"\x01", "1:1: not YAML: control characters are not allowed"},
		{"agent: x\n  budget: 1", "3:1: not YAML"},
		{"env: {A: [1]}", "2:10: this is a list; write NAME: value"},
		{"env: {'A=B': 1}", "2:14: this is a number; write NAME: value"},
		{`env: {"A\0B": x}`, "2:15: this is text; write NAME: value"},
		{`env: {A: "x\0y"}`, "2:10: this is text; write NAME: value"},
		{"version: 2", "2:1: \"version\" stands twice"},
	} {
		_, err := ParseFile("aex.yaml", []byte("version: 1\n"+c.text), true, Checks{})
		if err == nil || !strings.HasPrefix(err.Error(), "aex.yaml:"+c.want) {
			t.Errorf("%s: %v; want %s", c.text, err, c.want)
		}
	}
	for _, version := range []string{"2", `"1"`, "[1]", "1.0", "0x1", "one", "+1", "01"} {
		if _, err := ParseFile("aex.yaml", []byte("version: "+version), true, Checks{}); err == nil || !strings.Contains(err.Error(), "aex.yaml:1:10: this aex knows files of version 1") {
			t.Errorf("version %s: %v", version, err)
		}
	}
}

// TestRightValues are those that stand just within the form.
func TestRightValues(t *testing.T) {
	const text = "version: 1\nagent: x\nbudget: '$2'\ntimeout: 1ns\ntimezone: UTC\nlocked: false\nlimits: {concurrency: 1, requests_per_minute: 1000000000}\nallow_local: [1, 65535]\ngateway: https://a.example\nenv: {A: ''}\n"
	f, err := ParseFile("aex.yaml", []byte(text), true, Checks{})
	if err != nil || *f.Budget != 2_000_000 || f.Timeout != time.Nanosecond || f.Timezone != "UTC" || f.Concurrency != 1 || f.RequestsPerMinute != 1_000_000_000 ||
		len(f.Sandbox.AllowLocal) != 2 || f.Sandbox.AllowLocal[1] != 65535 || len(f.Gateways) != 1 || len(f.Env) != 1 {
		t.Errorf("%+v, %v", f, err)
	}
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "UTC"} {
		if f, err := ParseFile("aex.yaml", []byte("version: 1\ntimezone: "+zone), false, Checks{}); err != nil || f.Timezone != zone {
			t.Errorf("%s: %v", zone, err)
		}
	}
	if f, err := ParseFile("aex.yaml", []byte("version: 1\nallow_local: 5432\n"), false, Checks{}); err != nil || len(f.Sandbox.AllowLocal) != 1 {
		t.Errorf("one port: %+v, %v", f, err)
	}
}

// TestLineOfAnError: an error carries its line as it stands, unless that is long.
func TestLineOfAnError(t *testing.T) {
	for length, told := range map[int]bool{20: true, 200: true, 201: false} {
		line := "budgets: " + strings.Repeat("1", length-len("budgets: "))
		var at *FileError
		if _, err := ParseFile("aex.yaml", []byte("version: 1\n"+line), false, Checks{}); !errors.As(err, &at) {
			t.Fatal(err)
		}
		if at.Line != 2 || (at.Source == line) != told || !told && at.Source != "" {
			t.Errorf("%d letters: line %d, %q", length, at.Line, at.Source)
		}
	}
}

// TestLoadFile: a file that is missing or cannot be read is an error.
func TestLoadFile(t *testing.T) {
	path := given(t, FileName, "version: 1\nagent: x\n")
	if f, err := LoadFile(path, false, Checks{}); err != nil || f.Agent != "x" || f.Path != path {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := LoadFile(path+".missing", true, Checks{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := LoadFile(filepath.Dir(path), true, Checks{}); err == nil || !strings.Contains(err.Error(), "reading the policy file: ") {
		t.Errorf("a directory: %v", err)
	}
}

// TestWrongModelsFiles are what models.yaml may not say of proxies and routes.
func TestWrongModelsFiles(t *testing.T) {
	proxy := func(url string) string {
		return "providers: {corp: {base_url: 'https://llm.corp.example', proxy: '" + url + "'}}\n"
	}
	for text, want := range map[string]string{
		proxy("ftp://p:1"):  "the proxy is not a URL",
		proxy("http://"):    "the proxy is not a URL",
		proxy("p:3128"):     "the proxy is not a URL",
		proxy("http://p:x"): "the proxy is not a URL",
		proxy("p"):          "the proxy is not a URL",
		"providers: {corp: {base_url: 'ftp://x'}}\n":                                                 "base_url: \"ftp://x\" is not an http or https URL",
		"providers: {corp: {base_url: 'https://'}}\n":                                                "is not an http or https URL",
		"providers: {corp: {base_url: 'https://u@x'}}\n":                                             "has no user, query or fragment",
		"providers: {corp: {base_url: 'https://x?a=b'}}\n":                                           "has no user, query or fragment",
		"providers: {corp: {base_url: 'https://x#a'}}\n":                                             "has no user, query or fragment",
		"providers: {corp: {base_url: 'https://x:y'}}\n":                                             "is not a URL",
		"routes: {POST: free}\n":                                                                     "is not a route",
		"routes: {' /v1/files': free}\n":                                                             "is not a route",
		"routes: {'post /v1/files': free}\n":                                                         "is not a route",
		"routes: {'POST v1/files': free}\n":                                                          "is not a route",
		"routes: {'POST /v1/files?a=b': free}\n":                                                     "is not a route",
		"routes: {'POST /v1/files more': free}\n":                                                    "is not a route",
		"routes: {'POST /v1/../x': free}\n":                                                          "is not a route",
		"routes: {'POST /v1/*': free}\n":                                                             "would open everything",
		"routes: {'POST /v1/': free}\n":                                                              "would open everything",
		"routes: {'GET /v1/responses': free}\n":                                                      "is metered by its usage",
		"routes: {'POST /v1/responses/x': free}\n":                                                   "is metered by its usage",
		"routes: {'POST /v1/chat/completions/*': free}\n":                                            "is metered by its usage",
		"routes: {'POST /v1beta/models/x:embed': free}\n":                                            "is metered by its usage",
		"routes: {'POST /v1/files': {usd_per_call: 1, provider: nobody}}\n":                          "models.yaml:2:56: there is no provider \"nobody\"",
		"providers: {corp: {base_url: 'https://x'}}\nroutes: {'POST /v1/files': {provider: corp}}\n": "has no price",
	} {
		if _, err := parseModelsFile("models.yaml", []byte("version: 1\n"+text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", text, err, want)
		}
	}
	for _, text := range []string{proxy("http://p:1"), proxy("https://p"), proxy("socks5://p:1"), "routes: {'GET /v1/responses/stored': free}\n", "routes: {'POST /v1/messages/batches': free}\n"} {
		if _, err := parseModelsFile("models.yaml", []byte("version: 1\n"+text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for range 20 { // maps have no order
		if _, err := parseModelsFile("models.yaml", []byte("version: 1\nmodels: {b: {provider: y}, a: {provider: x}, d: {provider: z}, c: {provider: w}}\n")); err == nil || !strings.Contains(err.Error(), `no provider "y"`) {
			t.Fatalf("the first error of a file is not told first: %v", err)
		}
	}
}

// TestOpenedRoutes: a star opens what is below its path, and nothing beside it.
func TestOpenedRoutes(t *testing.T) {
	r := registry(t, Sources{ModelsFile: models(t, "routes: {'GET /v1/files/*': free, 'POST /v1/files': {usd_per_call: 0.0000015}}\n")})
	for path, want := range map[string]int64{
		"GET /v1/files/a": 0, "GET /v1/files/a/b": 0, "GET /v1/files/": -1, "GET /v1/other/and/long": -1, "POST /v1/files": 2, "POST /v1/files/a": -1, "PUT /v1/files": -1,
	} {
		method, path, _ := strings.Cut(path, " ")
		if route, open := r.Route(method, path); open != (want >= 0) || open && (route.Micros != want || route.Provider.Name != openAI) {
			t.Errorf("%s %s: %+v, %v", method, path, route, open)
		}
	}
}
