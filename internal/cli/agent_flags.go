package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
)

// capabilityFlags are the flags that say what an agent may do.
type capabilityFlags struct {
	caps policy.Capabilities
	no   struct{ streaming, tools, functions, vision, strict, passthrough bool }
}

// register adds the flags of v1.2 and those that came after it. With both, a
// capability can also be turned the other way: agent set needs that.
func (c *capabilityFlags) register(fl *pflag.FlagSet, both bool) {
	fl.StringSliceVar(&c.caps.AllowedModels, "allowed-models", nil, "models it may use, globs allowed: a,b*")
	fl.StringSliceVar(&c.caps.DeniedModels, "denied-models", nil, "models it may not use, globs allowed")
	fl.Int64Var(&c.caps.MaxInputTokens, "max-input-tokens", 0, "of a request; 0 for no limit")
	fl.Int64Var(&c.caps.MaxOutputTokens, "max-output-tokens", 0, "of an answer; 0 for no limit")
	fl.Int64Var(&c.caps.MaxTokensPerReq, "max-tokens-per-request", 0, "input and output together; 0 for no limit")
	fl.BoolVar(&c.no.streaming, "no-streaming", false, "refuse streamed calls")
	fl.BoolVar(&c.no.tools, "no-tools", false, "refuse calls with tools, and with what tools gave")
	fl.StringSliceVar(&c.caps.AllowedTools, "allowed-tool-names", nil, "tools it may use, globs allowed")
	fl.StringSliceVar(&c.caps.DeniedTools, "denied-tool-names", nil, "tools it may not use, globs allowed")
	fl.BoolVar(&c.no.functions, "no-function-calling", false, "refuse function calls, asked for or answered")
	fl.BoolVar(&c.caps.Vision, "allow-vision", false, "let it send images, audio and files")
	fl.BoolVar(&c.caps.Strict, "strict", false, "refuse whatever cannot be verified")
	fl.BoolVar(&c.caps.Passthrough, "allow-passthrough", false, "let it bring its own provider key in x-aex-provider-key")
	fl.BoolVar(&c.caps.PassthroughOnly, "passthrough-required", false, "it must bring its own provider key")
	fl.StringVar(&c.caps.HostedTools, "hosted-tools", "", "tools that the provider runs itself: auto, refuse or allow (auto unless said)")
	fl.BoolVar(&c.caps.ReserveHostedTools, "reserve-hosted-tools", false, "hold money for the provider's own tools where a request does not bound them")
	if both {
		fl.BoolVar(&c.caps.Streaming, "streaming", false, "let it stream")
		fl.BoolVar(&c.caps.Tools, "tools", false, "let it use tools")
		fl.BoolVar(&c.caps.FunctionCalling, "function-calling", false, "let it call functions")
		fl.BoolVar(&c.no.vision, "no-vision", false, "refuse images, audio and files")
		fl.BoolVar(&c.no.strict, "no-strict", false, "allow what cannot be verified")
		fl.BoolVar(&c.no.passthrough, "no-passthrough", false, "refuse provider keys of its own")
	}
}

// apply changes caps as the flags that were given say.
func (c *capabilityFlags) apply(fl *pflag.FlagSet, caps *policy.Capabilities) error {
	set := func(name string, do func()) {
		if fl.Changed(name) {
			do()
		}
	}
	for _, pair := range [][2]string{
		{"streaming", "no-streaming"}, {"tools", "no-tools"}, {"function-calling", "no-function-calling"}, {"allow-vision", "no-vision"},
		{"strict", "no-strict"}, {"allow-passthrough", "no-passthrough"}, {"passthrough-required", "no-passthrough"},
	} {
		if fl.Changed(pair[0]) && fl.Changed(pair[1]) {
			return usageError("--%s and --%s exclude each other", pair[0], pair[1])
		}
	}
	f := &c.caps
	set("allowed-models", func() { caps.AllowedModels = f.AllowedModels })
	set("denied-models", func() { caps.DeniedModels = f.DeniedModels })
	set("max-input-tokens", func() { caps.MaxInputTokens = f.MaxInputTokens })
	set("max-output-tokens", func() { caps.MaxOutputTokens = f.MaxOutputTokens })
	set("max-tokens-per-request", func() { caps.MaxTokensPerReq = f.MaxTokensPerReq })
	set("allowed-tool-names", func() { caps.AllowedTools = f.AllowedTools })
	set("denied-tool-names", func() { caps.DeniedTools = f.DeniedTools })
	set("allow-vision", func() { caps.Vision = f.Vision })
	set("strict", func() { caps.Strict = f.Strict })
	set("allow-passthrough", func() { caps.Passthrough = f.Passthrough })
	set("hosted-tools", func() { caps.HostedTools = f.HostedTools })
	set("reserve-hosted-tools", func() { caps.ReserveHostedTools = f.ReserveHostedTools })
	set("streaming", func() { caps.Streaming = f.Streaming })
	set("tools", func() { caps.Tools = f.Tools })
	set("function-calling", func() { caps.FunctionCalling = f.FunctionCalling })
	set("no-streaming", func() { caps.Streaming = !c.no.streaming })
	set("no-tools", func() { caps.Tools = !c.no.tools })
	set("no-function-calling", func() { caps.FunctionCalling = !c.no.functions })
	set("no-vision", func() { caps.Vision = !c.no.vision })
	set("no-strict", func() { caps.Strict = !c.no.strict })
	set("no-passthrough", func() {
		caps.Passthrough = !c.no.passthrough
		caps.PassthroughOnly = caps.PassthroughOnly && caps.Passthrough
	})
	set("passthrough-required", func() {
		caps.PassthroughOnly = f.PassthroughOnly
		caps.Passthrough = caps.Passthrough || f.PassthroughOnly
	})
	if err := caps.Check(); err != nil {
		return usageError("%v", err)
	}
	return nil
}

// limitFlags are an agent's pace and window.
type limitFlags struct {
	rpm, tpm, concurrency rateFlag
	window                string
}

func (f *limitFlags) register(fl *pflag.FlagSet) {
	fl.Var(&f.tpm, "max-tokens-per-minute", "tokens a minute, or none")
	fl.Var(&f.concurrency, "max-concurrency", "calls at the same time, or none")
	fl.StringVar(&f.window, "window", "", "what the budget is for: total, daily, weekly, monthly (default total)")
}

// window reads the name of a window.
func parseWindow(s string) (ledger.Window, error) {
	if long, short := map[string]string{"day": "daily", "week": "weekly", "month": "monthly"}[s]; short {
		s = long
	}
	switch w := ledger.Window(s); w {
	case ledger.Total, ledger.Daily, ledger.Weekly, ledger.Monthly:
		return w, nil
	}
	return "", usageError("--window is one of total, daily, weekly, monthly, not %q", s)
}

// rateFlag is a number of 1 or more, or none for no limit (0 in the ledger).
type rateFlag struct{ n int64 }

func (r *rateFlag) String() string { return "" }
func (r *rateFlag) Type() string   { return "N" }
func (r *rateFlag) Set(s string) (err error) {
	r.n, err = parseRate(s)
	return err
}

func parseRate(s string) (int64, error) {
	if s == "none" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil || n < 0:
		return 0, fmt.Errorf("%q is not a whole number of 1 or more, nor none", s)
	case n == 0:
		return 0, fmt.Errorf("0 would allow no call; write none for no limit, or pause the agent")
	}
	return n, nil
}

// ttlFlag is how long a token lives: hours, with fractions, or 90m, or 7d, or
// none. 0 is none.
type ttlFlag struct{ d time.Duration }

func (t *ttlFlag) String() string { return "" }
func (t *ttlFlag) Type() string   { return "HOURS" }
func (t *ttlFlag) Set(s string) error {
	if s == "none" {
		t.d = 0
		return nil
	}
	d, err := days(s)
	if strings.Trim(s, "0123456789.") == "" {
		d, err = time.ParseDuration(s + "h")
	}
	if err != nil || d < time.Millisecond || d > 100*365*24*time.Hour {
		return fmt.Errorf("%q is not a life of a token; write hours like 24 or 0.5, or 90m, 7d, none", s)
	}
	t.d = d
	return nil
}

// scopeFlag is execution or read-only.
type scopeFlag struct{ scope ledger.Scope }

func (s *scopeFlag) String() string { return string(s.scope) }
func (s *scopeFlag) Type() string   { return "SCOPE" }
func (s *scopeFlag) Set(v string) error {
	switch ledger.Scope(v) {
	case ledger.Execution, ledger.ReadOnly, ledger.Runs:
		s.scope = ledger.Scope(v)
		return nil
	}
	return fmt.Errorf("scope is execution, read-only or runs, not %q", v)
}

// checkName is the ledger's rule, told before anything is opened.
func checkName(name string) error {
	if err := nameRule(ledger.CheckName)(name); err != nil {
		return usageError("%w", err)
	}
	return nil
}

// nameRule words what the ledger says of a name as it is read in files, too.
func nameRule(check func(string) error) func(string) error {
	return func(name string) error {
		if err := check(name); err != nil {
			return errors.New(strings.TrimPrefix(err.Error(), ledger.ErrInvalid.Error()+": "))
		}
		return nil
	}
}
