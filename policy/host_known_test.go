package policy

import (
	"slices"
	"testing"
)

// TestHostsByTheirURL: a host is known by its name, servers of this machine by
// their port, and nothing else is known.
func TestHostsByTheirURL(t *testing.T) {
	for base, want := range map[string]string{
		"https://api.openai.com/v1": "openai", "https://API.OPENAI.COM": "openai", "https://eu.api.openai.com": "openai", "https://notapi.openai.com.example": "",
		"http://localhost": "", "http://localhost:1": "", "https://llm.corp.example": "", "::": "",
	} {
		got := ""
		if h := HostOf(base); h != nil {
			got = h.Name
		}
		if got != want {
			t.Errorf("%s: %q, want %q", base, got, want)
		}
	}
	if h := HostNamed("groq"); h == nil || h.Name != "groq" || HostNamed("nobody") != nil {
		t.Errorf("by name: %+v", h)
	}
	for name, c := range map[string]struct {
		p    Provider
		want string
	}{
		"its own":                   {Provider{Name: "openai", Type: TypeOpenAI, BaseURL: "https://api.openai.com/v1"}, "openai"},
		"moved to a gateway":        {Provider{Name: "groq", Type: TypeOpenAI, BaseURL: "https://llm.corp.example"}, "groq"},
		"moved to another provider": {Provider{Name: "groq", Type: TypeOpenAI, BaseURL: "https://openrouter.ai/api/v1"}, "openrouter"},
		"a name of another type":    {Provider{Name: "groq", Type: TypeAnthropic, BaseURL: "https://llm.corp.example"}, ""},
		"a name that nobody knows":  {Provider{Name: "corp", Type: TypeGemini, BaseURL: "https://llm.corp.example"}, ""},
	} {
		if h := c.p.Own(); h == nil || h.Name != c.want {
			t.Errorf("%s: %+v", name, h)
		}
	}
	for _, kind := range []string{TypeOpenAI, TypeAnthropic, TypeGemini} {
		if h := (Provider{Type: kind, BaseURL: "https://llm.corp.example"}).Host(); h.Type != kind || h.Name != "" {
			t.Errorf("a host of type %s that nobody knows: %+v", kind, h)
		}
	}
	if p := (Provider{Type: TypeOpenAI, BaseURL: "https://corp.openai.azure.com/openai/v1"}); !p.IsAzure() {
		t.Error("Azure is not known")
	}
	if p := (Provider{Type: TypeOpenAI, BaseURL: "https://api.openai.com/v1"}); p.IsAzure() {
		t.Error("OpenAI is taken for Azure")
	}
}

// TestWhatIsKnownOfAHost: a pace that nobody has stated is the fastest, and a
// router stops the bill only where the one that serves does.
func TestWhatIsKnownOfAHost(t *testing.T) {
	if (&Host{}).PaceOf() != unknownPace || (&Host{Pace: 70}).PaceOf() != 70 {
		t.Error("the pace of a host")
	}
	router := &Host{StopsFor: []string{"Fireworks"}, Stops: true}
	for served, want := range map[string]bool{"fireworks": true, "Azure": false, "": false} {
		if router.StopsServing(served) != want {
			t.Errorf("served by %q", served)
		}
	}
	if !(&Host{Stops: true}).StopsServing("anyone") || (&Host{}).StopsServing("") {
		t.Error("a host that is no router")
	}
}

// TestKeysOfAProvider: its own variable first, those of its host, those of the
// host it was moved to, none twice and none empty.
func TestKeysOfAProvider(t *testing.T) {
	openai, _ := builtinNamed(openAI)
	goog, _ := builtinNamed(google)
	moved := openai
	moved.BaseURL, moved.host = "https://api.groq.com/openai/v1", nil
	own := goog
	own.KeyEnv = "MINE"
	for name, c := range map[string]struct {
		p    Provider
		want []string
	}{
		"built in":    {openai, openai.Host().Keys},
		"two names":   {goog, goog.Host().Keys},
		"its own":     {own, []string{"MINE"}},
		"moved":       {moved, append(slices.Clone(openai.Host().Keys), HostNamed(groqName).Keys...)},
		"nobody's":    {Provider{Name: "corp", KeyEnv: "CORP_KEY", BaseURL: "https://api.groq.com/openai/v1"}, []string{"CORP_KEY"}},
		"without one": {Provider{Name: "corp"}, nil},
	} {
		if got := c.p.KeyEnvs(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if len(BuiltinProviders()) != len(builtins) {
		t.Error("a built-in provider is missing")
	}
}

// TestBaseURLsAsTheyAreWritten: with the version or without, by the host's own
// form, and by the dialect that is spoken there.
func TestBaseURLsAsTheyAreWritten(t *testing.T) {
	for _, c := range []struct{ name, kind, raw, want string }{
		{"mine", TypeOpenAI, "https://api.groq.com", "https://api.groq.com/openai/v1"},
		{"mine", TypeOpenAI, "https://api.groq.com/openai/", "https://api.groq.com/openai/v1"},
		{"groq", TypeOpenAI, "https://llm.corp.example", "https://llm.corp.example/openai/v1"},
		{"groq", TypeOpenAI, "https://llm.corp.example/own", "https://llm.corp.example/own"},
		{"mine", TypeOpenAI, "https://llm.corp.example/openai", "https://llm.corp.example/openai"},
		{"mine", TypeOpenAI, "https://api.anthropic.com", "https://api.anthropic.com/v1"},
		{"mine", TypeOpenAI, "https://openrouter.ai", "https://openrouter.ai/api/v1"},
		{"mine", TypeAnthropic, "https://llm.corp.example/v1/", "https://llm.corp.example"},
		{"mine", TypeGemini, "https://llm.corp.example/v1beta", "https://llm.corp.example"},
		{"mine", TypeGemini, "https://llm.corp.example/v1", "https://llm.corp.example"},
	} {
		if got, err := normalBase(c.name, c.kind, c.raw); got != c.want || err != nil {
			t.Errorf("%s of %s: %q, %v; want %q", c.raw, c.name, got, err, c.want)
		}
	}
}

// TestServersOfThisMachine: a model is served at the port that its base URL
// names, and at no other of this machine.
func TestServersOfThisMachine(t *testing.T) {
	here := []Provider{{BaseURL: "https://localhost"}, {BaseURL: "http://127.0.0.1:11434/v1"}, {BaseURL: "https://LLM.corp.example"}, {BaseURL: "::"}}
	for _, c := range []struct {
		host string
		port uint16
		want bool
	}{{"localhost", 443, true}, {"127.0.0.1", 11434, true}, {"::1", 11434, true}, {"localhost", 5432, false}, {"db.example", 11434, false}, {"llm.corp.example.", 8443, true}, {"other.example", 443, false}} {
		if got := ServesModels(c.host, c.port, here); got != c.want {
			t.Errorf("%s:%d: %v", c.host, c.port, got)
		}
	}
	for host, want := range map[string]bool{"a.bc": true, "a.c": false, "abc": false, "a.b": false} {
		if got := between("a.*c", host); got != want {
			t.Errorf("a.*c with %s: %v", host, got)
		}
	}
	if !between("a*", "ab") || between("a*", "a") {
		t.Error("a star at the end stands for one or more")
	}
}

// TestMatches: without patterns every name matches.
func TestMatches(t *testing.T) {
	if !Matches(nil, "x") || !Matches([]string{"y", "x*"}, "x1") || Matches([]string{"y"}, "x") {
		t.Error("patterns")
	}
}
