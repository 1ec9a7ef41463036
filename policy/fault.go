package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
)

// FileError is what is wrong in a file that people write, and where.
type FileError struct {
	File         string
	Line, Column int
	Problem      string // and what to write instead
	Source       string // the line as it stands; "" where it is not known
}

func (e *FileError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Problem)
}

// at is an error at a place of the file.
func (f yamlFile) at(line, column int, format string, args ...any) error {
	e := &FileError{File: f.name, Line: line, Column: column, Problem: fmt.Sprintf(format, args...)}
	if lines := strings.Split(string(f.data), "\n"); line >= 1 && line <= len(lines) && len(lines[line-1]) <= 200 {
		e.Source = withoutKey(strings.TrimRight(lines[line-1], " \r"))
	}
	return e
}

// secretName is the name of what is not shown, up to its colon; key_env and
// max_tokens are none.
var secretName = plain.Expression(`(?i)(key|authorization|token|secret|password|cookie)["']?\s*:`)

// withoutKey is a line as it may be shown: a key or a password in the file must not appear on
// the terminal as well.
func withoutKey(line string) string {
	if at := secretName().FindStringIndex(line); at != nil {
		return line[:at[1]] + " …"
	}
	if from, to := strings.Index(line, "://"), strings.LastIndex(line, "@"); 0 <= from && from < to {
		return line[:from+len("://")] + "…" + line[to:]
	}
	return line
}

// form is how a mapping is written: with the first keys that an example has.
func (f yamlFile) form(what string) string {
	kind, name, _ := strings.Cut(what, " ")
	for _, form := range forms[f.keys] {
		if form[0] == kind {
			return strings.Replace(form[1], "NAME", name, 1)
		}
	}
	return ""
}

// forms are how the mappings of each file are written.
var forms = map[keySet][][2]string{
	fileKeySet: {
		{"models", `models: {allow: ["gpt-4o*"]}`}, {"tools", `tools: {deny: [shell]}`}, {"limits", `limits: {requests_per_minute: 60}`},
		{"capabilities", `capabilities: {vision: false}`}, {"ci", `ci: {allow_unknown_agents: false}`}, {"env", `env: {REGION: eu}`},
		{"the", `version: 1, and below it a key and its value on each line`},
	},
	serveKeySet: {
		{"oidc", `oidc: [{issuer: "https://gitlab.com", audience: "https://gate.example.com", agents: [...]}]`},
		{"agents", `agents: [{claims: {project_path: acme/find}, agent: find-ci}]`}, {"claims", `claims: {project_path: acme/find}`},
		{"the", `oidc:, and below it a list of issuers`},
	},
	modelsKeySet: {
		{"providers", `providers: {corp: {base_url: https://llm.corp.example/v1}}`}, {"provider", `NAME: {base_url: https://llm.corp.example/v1}`},
		{"models", `models: {small: {provider: openai, provider_model: gpt-4o-mini}}`}, {"model", `NAME: {provider: openai}`},
		{"pricing", `pricing: {input_usd_per_mtok: "0.15", output_usd_per_mtok: "0.60"}`}, {"limits", `limits: {max_tokens: 8192}`},
		{"capabilities", `capabilities: {vision: false}`}, {"headers", `headers: {X-Team: research}`}, {"routes", `routes: {"POST /v1/files": free}`},
		{"route", `free, or {usd_per_call: "0.04"}`}, {"the", `version: 1, and below it a key and its value on each line`},
	},
}

// keySet is which file a yamlFile is.
type keySet int

const (
	noKeySet keySet = iota
	fileKeySet
	modelsKeySet
	serveKeySet
)

// elsewhere is what people write where it does not stand, and the right form.
var elsewhere = map[keySet]map[string]string{
	fileKeySet: {
		"window": "a budget by the day, week or month is the agent's: aex agent set NAME --window daily",
		"daily":  "a budget by the day is the agent's: aex agent set NAME --budget 5.00 --window daily",
		"weekly": "a budget by the week is the agent's: aex agent set NAME --window weekly", "monthly": "a budget by the month is the agent's: aex agent set NAME --window monthly",
		"model": `write models: {allow: [gpt-4o-mini]}`, "allow": `write models: {allow: [gpt-4o-mini]}`, "deny": `write models: {deny: [gpt-4o-mini]}`,
		"allowed_models": `write models: {allow: [gpt-4o-mini]}`, "denied_models": `write models: {deny: [gpt-4o-mini]}`,
		"allowed_tools": `write tools: {allow: [search]}`, "denied_tools": `write tools: {deny: [shell]}`,
		"rpm": "write limits: {requests_per_minute: 60}", "tpm": "write limits: {tokens_per_minute: 200000}", "max_concurrency": "write limits: {concurrency: 4}",
		"requests_per_minute": "write limits: {requests_per_minute: 60}", "tokens_per_minute": "write limits: {tokens_per_minute: 200000}", "concurrency": "write limits: {concurrency: 4}",
		"max_tokens": "write limits: {max_output_tokens: 8000}", "max_output_tokens": "write limits: {max_output_tokens: 8000}", "max_input_tokens": "write limits: {max_input_tokens: 100000}",
		"vision": "write capabilities: {vision: false}", "streaming": "write capabilities: {streaming: false}", "strict": "write capabilities: {strict: true}",
		"max_budget": `write budget: "0.50"`, "limit": `write budget: "0.50", or limits: {requests_per_minute: 60}`, "ttl": "write timeout: 30m",
		"pricing": "prices stand in models.yaml; see: aex models init", "default_model": "it stands in models.yaml; see: aex models init",
	},
	modelsKeySet: {
		"model": "write models: {NAME: {provider: openai}}", "provider": "write providers: {NAME: {base_url: https://...}}",
		"api_key": "keys are not written into this file; name the variable it is in: key_env: CORP_LLM_KEY", "key": "keys are not written into this file; name the variable it is in: key_env: CORP_LLM_KEY",
		"url": "write base_url: https://llm.corp.example/v1", "price": `write pricing: {input_usd_per_mtok: "0.15", output_usd_per_mtok: "0.60"}`,
		"input": `write input_usd_per_mtok: "0.15"`, "output": `write output_usd_per_mtok: "0.60"`, "max_tokens": "write limits: {max_tokens: 8192}",
		"budget": "a budget stands in aex.yaml or is the agent's; see: aex policy init", "agent": "an agent stands in aex.yaml; see: aex policy init",
	},
}

// unknownKey words a key that no file of this kind has there.
func (f yamlFile) unknownKey(key, what string, known []string) string {
	if f.keys == fileKeySet { // what such a file may never have is no help
		known = slices.DeleteFunc(known, func(k string) bool { return k == "keys" || k == "providers" || k == "routes" })
	}
	slices.Sort(known)
	problem := fmt.Sprintf("unknown key %q in %s", key, what)
	if form := elsewhere[f.keys][key]; form != "" {
		return problem + "; " + form
	}
	least, meant := 3, ""
	for _, k := range known {
		if d := Distance(key, k, least); d < least && d < len(key) {
			least, meant = d, k
		}
	}
	if meant != "" {
		return fmt.Sprintf("%s; did you mean %s? known are %s", problem, meant, strings.Join(known, ", "))
	}
	return problem + "; known are " + strings.Join(known, ", ")
}
