package policy

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// catalogueOf is a catalogue of rows, one a line.
func catalogueOf(rows ...string) string {
	return `{"version":1,"date":"2026-01-01","models":[` + "\n" + strings.Join(rows, ",\n") + "\n]}\n"
}

// given writes a file, and gives its path.
func given(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestWhatIsWrongInACatalogue: a catalogue that somebody has edited is refused,
// and the message says where and why.
func TestWhatIsWrongInACatalogue(t *testing.T) {
	const good = `{"p":"openai","id":"m","alias":["M","x"],"rates":{"input":"1"}}`
	if _, n, err := CheckCatalogue([]byte(catalogueOf(good))); n != 1 || err != nil {
		t.Fatalf("one model: %d, %v", n, err)
	}
	for name, c := range map[string][2]string{
		"another version":   {strings.Replace(catalogueOf(good), `"version":1`, `"version":2`, 1), "version 1, a date and models"},
		"no date":           {strings.Replace(catalogueOf(good), `"date":"2026-01-01",`, ``, 1), "version 1, a date and models"},
		"no models":         {strings.Replace(catalogueOf(good), `"models"`, `"rows"`, 1), "version 1, a date and models"},
		"another end":       {strings.Replace(catalogueOf(good), "\n]}", "\n]", 1), "not one model a line"},
		"two lines":         {`{"version":1,"date":"2026-01-01","models":[` + "\n]}", "not one model a line"},
		"a provider's end":  {catalogueOf(`{"p":"openai`), "line 2 does not begin"},
		"not a row":         {catalogueOf(good, `["openai"]`), "line 3 does not begin"},
		"negative window":   {catalogueOf(`{"p":"openai","id":"m","context":-1,"rates":{"input":"1"}}`), "m at openai: it has no name or a negative limit"},
		"negative answer":   {catalogueOf(`{"p":"openai","id":"m","max_output":-1,"rates":{"input":"1"}}`), "negative limit"},
		"reasoning":         {catalogueOf(`{"p":"openai","id":"m","reasoning":"often","rates":{"input":"1"}}`), `m at openai: reasoning "often" is not known`},
		"a wrong price":     {catalogueOf(`{"p":"openai","id":"m","rates":{"input":"-1","output":"1"}}`), "input: not a plain decimal"},
		"a wrong tier":      {catalogueOf(`{"p":"openai","id":"m","rates":{"input":"1"},"tiers":{"flex":{"input":"x"}}}`), "input: not a plain decimal"},
		"a wrong band":      {catalogueOf(`{"p":"openai","id":"m","rates":{"input":"1"},"bands":[{"above":5,"rates":{"input":"x"}}]}`), "input: not a plain decimal"},
		"two long writes":   {catalogueOf(`{"p":"openai","id":"m","rates":{"input":"1","cache_write_1h":"2","cache_write_12h":"3"}}`), "unknown class"},
		"too dear a search": {catalogueOf(`{"p":"openai","id":"m","rates":{"input":"1","per_search":"1001"}}`), "per_search: a fee of $1001"},
	} {
		if _, _, err := CheckCatalogue([]byte(c[0])); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v", name, err)
		}
	}
	path := given(t, "prices.json", "x")
	if _, err := NewRegistry(Sources{Catalogue: path}); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "remove it to use the built-in") {
		t.Errorf("a downloaded catalogue that is broken: %v", err)
	}
	if _, err := NewRegistry(Sources{Catalogue: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a directory: %v", err)
	}
}

// TestWholeRows: a row's tiers, bands and fees are all billed as the file has them.
func TestWholeRows(t *testing.T) {
	path := given(t, "prices.json", catalogueOf(`{"p":"openai","id":"m","context":9000,"max_output":700,"rates":{"input":"1","cache_write_12h":"6","per_request":"0.0000005"},`+
		`"tiers":{"flex":{"input":"0.5"}},"bands":[{"above":100,"rates":{"input":"3"},"tiers":{"flex":{"input":"2"}}}]}`))
	m, err := registry(t, Sources{Catalogue: path}).Resolve(dialect(Chat), "m", false)
	if err != nil || m.Context != 9000 || m.MaxOutput != 700 || m.MinOutput != 1024 || m.Price.Version == "" || m.Price.Assumed {
		t.Fatalf("%+v, %v", m, err)
	}
	for _, c := range []struct {
		tier string
		u    Usage
		want int64
	}{{"", Usage{Input: 100}, 101}, {"", Usage{Input: 101}, 304}, {"flex", Usage{Input: 100}, 51}, {"flex", Usage{Input: 200}, 401}, {"", Usage{CacheWrite1h: 10}, 61}} {
		if got, err := Cost(m.Price, c.u, c.tier); got != c.want || err != nil {
			t.Errorf("%+v in tier %q: %d, %v; want %d", c.u, c.tier, got, err, c.want)
		}
	}
}

// TestDearestOfAllProviders: for a host that nobody knows the dearest row holds,
// whichever provider comes first.
func TestDearestOfAllProviders(t *testing.T) {
	row := func(provider, price string) string {
		return `{"p":"` + provider + `","id":"m","rates":{"input":"` + price + `","output":"1"}}`
	}
	for _, prices := range [][2]string{{"5", "1"}, {"1", "5"}} {
		c, err := parseCatalogue([]byte(catalogueOf(row("groq", prices[0]), row("mistral", prices[1]))))
		if err != nil {
			t.Fatal(err)
		}
		if r := c.dearest("m"); r == nil || *r.price.Input != 5_000_000 {
			t.Errorf("%v: %+v", prices, r)
		}
	}
}

// TestReadFile: a file that is read is a regular one of at most 16 MiB, one that
// is missing is none, and an empty one is there.
func TestReadFile(t *testing.T) {
	path := given(t, "models.yaml", "")
	if data, err := readFile(path); data == nil || len(data) != 0 || err != nil {
		t.Errorf("an empty file: %v, %v", data, err)
	}
	for size, ok := range map[int64]bool{maxFileBytes: true, maxFileBytes + 1: false} {
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		if data, err := readFile(path); (err == nil) != ok || ok && int64(len(data)) != size {
			t.Errorf("%d bytes: %d, %v", size, len(data), err)
		}
	}
	if data, err := readFile(path + ".missing"); data != nil || err != nil {
		t.Errorf("a missing file: %v, %v", data, err)
	}
	if _, err := readFile(filepath.Join(path, "below")); err == nil {
		t.Error("a path below a file is no error")
	}
}

// TestAllProvidersAreListed: by name, the built-in ones and those of the file.
func TestAllProvidersAreListed(t *testing.T) {
	r := registry(t, Sources{ModelsFile: given(t, "models.yaml", "version: 1\nproviders: {corp: {base_url: https://llm.corp.example}}\n"), Prices: []string{"mine=1/2"}, BaseURLs: map[string]string{"nobody": "https://nobody.example"}})
	var names []string
	for _, p := range r.Providers() {
		names = append(names, p.Name)
	}
	if len(names) != len(builtins)+1 || !slices.IsSorted(names) || !slices.Contains(names, "corp") || !slices.Contains(names, openAI) {
		t.Errorf("%v", names)
	}
	if !slices.ContainsFunc(r.Models(), func(m Model) bool { return m.Name == "mine" && *m.Price.Output == 2_000_000 }) {
		t.Error("a model that --price names is not listed")
	}
}

// TestHints: what stands near an unknown model is told, by the provider's kind
// where its host is not known, and nothing is told of what is far.
func TestHints(t *testing.T) {
	path := given(t, "prices.json", catalogueOf(`{"p":"openai","id":"gpt-omega","rates":{"input":"1"}}`, `{"p":"anthropic","id":"claude-omega","rates":{"input":"1"}}`))
	for _, c := range []struct{ wire, base, asked, near string }{
		{Chat, "", "gpt-omga", "gpt-omega"},
		{Chat, "https://llm.corp.example", "gpt-omga", "gpt-omega"},
		{Messages, "https://llm.corp.example", "claude-omgea", "claude-omega"},
		{Chat, "", "omega", ""},
		{Chat, "", strings.Repeat("gpt-omega", 12), ""},
	} {
		d := dialect(c.wire)
		_, err := registry(t, Sources{Catalogue: path, BaseURLs: map[string]string{d.Provider: c.base}}).Resolve(d, c.asked, false)
		if !errors.Is(err, ErrUnpriced) || strings.Contains(err.Error(), "the nearest that is known is") != (c.near != "") || !strings.Contains(err.Error(), c.near) {
			t.Errorf("%s: %v", c.asked, err)
		}
	}
	for _, c := range []struct {
		a, b       string
		most, want int
	}{{"kitten", "sitting", 9, 3}, {"a", "abcdef", 3, 3}, {"abcdef", "a", 3, 3}, {"ab", "", 5, 2}, {"", "ab", 5, 2}, {"same", "same", 2, 0}, {"abcd", "wxyz", 2, 2}, {"flaw", "lawn", 9, 2}, {"abc", "abcde", 2, 2}} {
		if got := Distance(c.a, c.b, c.most); got != c.want {
			t.Errorf("from %q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
