package policy

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// written is a file that people write.
type written struct {
	name, page, schema string
	keys               []Key
	parse              func(data []byte) error
}

var files = []written{
	{"aex.yaml", "../docs/aex.yaml.md", "../docs/aex.schema.json", FileKeys(), func(data []byte) error { _, err := ParseFile("f", data, true, Checks{}); return err }},
	{"models.yaml", "../docs/models.yaml.md", "../docs/models.schema.json", ModelsKeys(), func(data []byte) error { _, err := parseModelsFile("f", data); return err }},
}

// TestEveryKeyIsTold asks the parser for the keys of each mapping, by one that
// it does not know, and finds each of them among the keys, and no others.
func TestEveryKeyIsTold(t *testing.T) {
	for _, f := range files {
		mappings := []string{""}
		for _, k := range f.keys {
			if k.Takes == TakesKeys || k.Path == "routes.NAME" {
				mappings = append(mappings, k.Path)
			}
		}
		for _, at := range mappings {
			var told []string
			for _, k := range f.keys {
				if parent, name, nested := cutLast(k.Path); parent == at && (nested || at == "") {
					told = append(told, name)
				}
			}
			if slices.Equal(told, []string{"NAME"}) {
				continue // names are the user's
			}
			err := f.parse([]byte(mappingWith(at, "qqqqqqqq: 1")))
			if err == nil {
				t.Errorf("%s takes an unknown key in %q", f.name, at)
				continue
			}
			_, list, _ := strings.Cut(err.Error(), "known are ")
			known := strings.Split(list, ", ")
			slices.Sort(told)
			if !slices.Equal(told, known) {
				t.Errorf("%s, keys of %q: the parser knows %q, reference_keys.go tells of %q: %v", f.name, at, known, told, err)
			}
		}
	}
}

func cutLast(path string) (parent, name string, nested bool) {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// mappingWith is a file with a line in the mapping of a path.
func mappingWith(path, line string) string {
	text, indent := "", ""
	if path != "" {
		for name := range strings.SplitSeq(path, ".") {
			if name == "NAME" {
				name = "corp"
			}
			text += indent + name + ":\n"
			indent += "  "
		}
	}
	if strings.HasPrefix(path, "routes.") {
		return "version: 1\nroutes: {\"POST /v1/files\": {" + line + "}}\n"
	}
	return text + indent + line + "\n"
}

// keyLine is a key that is marked out in an example.
var keyLine = regexp.MustCompile(`^#(  |[a-z])`)

// TestExamplesAreRight takes the marks away from an example and reads it; each
// value that a key shows is one that the parser takes.
func TestExamplesAreRight(t *testing.T) {
	for _, f := range files {
		example := Example(f.keys, "An example.")
		if err := f.parse([]byte(example)); err != nil {
			t.Errorf("%s as it is written: %v", f.name, err)
		}
		var lines []string
		for line := range strings.SplitSeq(example, "\n") {
			if keyLine.MatchString(line) {
				line = line[1:]
			}
			if strings.HasPrefix(strings.TrimSpace(line), "input_micro") || strings.HasPrefix(strings.TrimSpace(line), "output_micro") {
				continue // the other name of a price that is there
			}
			lines = append(lines, line)
		}
		whole := strings.Join(lines, "\n")
		if err := f.parse([]byte(whole)); err != nil {
			t.Errorf("%s without its marks: %v\n%s", f.name, err, whole)
		}
	}
}

// TestReferencePages holds docs to the keys. AEX_UPDATE=1 writes them anew.
func TestReferencePages(t *testing.T) {
	for _, f := range files {
		for path, want := range map[string]string{
			f.page:   ReferencePage(f.name, f.keys),
			f.schema: string(Schema(f.keys, f.name+" of aex")),
		} {
			if os.Getenv("AEX_UPDATE") != "" {
				if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(path)
			if err != nil || string(got) != want {
				t.Errorf("%s is old (%v); make it anew with: AEX_UPDATE=1 go test ./policy -run TestReferencePages", path, err)
			}
		}
		var s map[string]any
		if err := json.Unmarshal(Schema(f.keys, f.name), &s); err != nil {
			t.Error(err)
		}
	}
}

// TestErrorsShowTheLine gives the parsers what people write instead of the
// right form.
func TestErrorsShowTheLine(t *testing.T) {
	for _, c := range []struct{ file, text, want, source string }{
		{"aex.yaml", "version: 1\nmodels: [gpt-4o]\n", `f:2:9: models is a list; write models: {allow: ["gpt-4o*"]}`, "models: [gpt-4o]"},
		{"aex.yaml", "version: 1\nmodels: gpt-4o\n", `models is text; write models: {allow:`, "models: gpt-4o"},
		{"aex.yaml", "version: 1\ntools: [a]\n", `tools is a list; write tools: {deny: [shell]}`, "tools: [a]"},
		{"aex.yaml", "version: 1\nlimits: 60\n", `limits is a number; write limits: {requests_per_minute: 60}`, "limits: 60"},
		{"aex.yaml", "version: 1\ncapabilities: [vision]\n", `capabilities is a list; write capabilities: {vision: false}`, "capabilities: [vision]"},
		{"aex.yaml", "budget: 1\n", `f:1:1: there is no version; write version: 1 as the first line`, "budget: 1"},
		{"aex.yaml", "- budget\n", `the file is a list; write version: 1, and below it a key and its value on each line`, "- budget"},
		{"aex.yaml", "version: 1\nwindow: daily\n", `unknown key "window" in the file; a budget by the day, week or month is the agent's: aex agent set NAME --window daily`, "window: daily"},
		{"aex.yaml", "version: 1\nbugdet: 1\n", `unknown key "bugdet" in the file; did you mean budget?`, "bugdet: 1"},
		{"aex.yaml", "version: 1\nmodels:\n  alow: [a]\n", `f:3:3: unknown key "alow" in models; did you mean allow?`, "  alow: [a]"},
		{"aex.yaml", "version: 1\nrpm: 4\n", `write limits: {requests_per_minute: 60}`, "rpm: 4"},
		{"aex.yaml", "version: 2\n", "this aex knows files of version 1, not 2; write version: 1", "version: 2"},
		{"aex.yaml", "version: 1\nbudget: [1]\n", `this is a list; write dollars like "0.50"`, "budget: [1]"},
		{"aex.yaml", "version: 1\ntimeout: 30\n", `write it like 90s or 30m`, "timeout: 30"},
		{"aex.yaml", "version: 1\n a: b\n", `not YAML`, " a: b"},
		{"models.yaml", "models: {}\n", `there is no version; write version: 1 as the first line`, "models: {}"},
		{"models.yaml", "version: 1\nmodels: [gpt-4o]\n", `models is a list; write models: {small: {provider: openai`, "models: [gpt-4o]"},
		{"models.yaml", "version: 1\nproviders: [corp]\n", `providers is a list; write providers: {corp: {base_url:`, "providers: [corp]"},
		{"models.yaml", "version: 1\nproviders:\n  x: https://x\n", `provider x is text; write x: {base_url:`, "  x: https://x"},
		{"models.yaml", "version: 1\nmodels:\n  m: openai\n", `model m is text; write m: {provider: openai}`, "  m: openai"},
		{"models.yaml", "version: 1\nmodels:\n  m: {provider: openai, pricing: 0.15}\n", `pricing of model m is a number; write pricing: {input_usd_per_mtok: "0.15"`, "  m: {provider: openai, pricing: 0.15}"},
		{"models.yaml", "version: 1\nproviders:\n  x: {api_key: sk-1}\n", `name the variable it is in: key_env`, "  x: {api_key: …"},
	} {
		f := files[slices.IndexFunc(files, func(f written) bool { return f.name == c.file })]
		err := f.parse([]byte(c.text))
		fault, ok := err.(*FileError) //nolint:errorlint // the parsers return it as it is
		if !ok || !strings.Contains(fault.Error(), c.want) || fault.Source != c.source {
			t.Errorf("%s %q: %v, and not %q", c.file, c.text, err, c.want)
		}
	}
	if !regexp.MustCompile(`^a\.yaml:3:2: x$`).MatchString((&FileError{File: "a.yaml", Line: 3, Column: 2, Problem: "x"}).Error()) {
		t.Error("file, line and column are not in front")
	}
}
