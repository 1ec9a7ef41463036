package policy

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestBrokenOutput: each bound, where it holds and where it does not; the
// smallest of those that hold is taken.
func TestBrokenOutput(t *testing.T) {
	r := registry(t, Sources{})
	model := func(wire, name string) Model {
		m, err := r.Resolve(dialect(wire), name, false)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	visible, hidden := model(Chat, "gpt-4o"), model(Chat, "o3")
	thinks := Call{Reason: true, ThinkingCap: 4000, Outputs: 1}
	claude := model(Messages, "claude-opus-4-5")
	for name, c := range map[string]struct {
		b    Broken
		want int64
	}{
		"nothing known":            {Broken{Model: hidden}, -1},
		"the cap":                  {Broken{Model: hidden, Cap: 5000, Shown: 10}, 5000},
		"of every output":          {Broken{Model: hidden, Cap: 5000, Call: Call{Outputs: 3}}, 15000},
		"visible":                  {Broken{Model: visible, Cap: 5000, Shown: 10}, 266},
		"visible, the cap is less": {Broken{Model: visible, Cap: 100, Shown: 10}, 100},
		"visible, more reported":   {Broken{Model: visible, Cap: 5000, Shown: 10, Reported: 900}, 900},
		"reported beyond the cap":  {Broken{Model: hidden, Cap: 100, Reported: 900}, 900},
		"visible, several outputs": {Broken{Model: visible, Cap: 5000, Shown: 10, Call: Call{Outputs: 2}}, 522},
		"it shows reasoning":       {Broken{Model: visible, Cap: 5000, Shown: 10, Hidden: true}, 5000},
		"it went on":               {Broken{Model: visible, Cap: 5000, Shown: 10, WentOn: true}, 5000},
		"hosted tools":             {Broken{Model: visible, Cap: 5000, Call: Call{Hosted: []HostedTool{{Type: "web_search"}}}}, 5000},
		"thinking":                 {Broken{Model: claude, Cap: 32000, Shown: 100, Call: thinks}, 6356},
		"thinking, cap":            {Broken{Model: claude, Cap: 6000, Shown: 100, Call: thinks}, 6000},
		"thinking without budget":  {Broken{Model: claude, Cap: 6000, Shown: 100, Call: Call{Reason: true}}, 6000},
		"not thinking":             {Broken{Model: claude, Cap: 32000, Shown: 100}, 356},
		"time":                     {Broken{Model: hidden, Cap: 32000, Took: 50 * time.Millisecond, Stopped: true}, 356},
		"time of two outputs":      {Broken{Model: hidden, Cap: 32000, Took: 50 * time.Millisecond, Stopped: true, Call: Call{Outputs: 2}}, 712},
		"time, nobody stops":       {Broken{Model: hidden, Cap: 32000, Took: 50 * time.Millisecond}, 32000},
		"time, more was shown":     {Broken{Model: visible, Cap: 32000, Took: 50 * time.Millisecond, Stopped: true, Shown: 9}, 265},
	} {
		if got := c.b.Output(); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestBrokenIsNeverBelow: whatever a provider made, as far as it keeps to what
// its row states, the bound is not less.
func TestBrokenIsNeverBelow(t *testing.T) {
	r := registry(t, Sources{})
	names := map[string]string{"gpt-4o": Chat, "o3": Responses, "gpt-5.1": Responses, "claude-opus-4-5": Messages, "claude-opus-5-5": Messages, "gemini-2.5-flash": Gemini, "gemini-2.5-pro": Gemini}
	var list []string
	for name := range names {
		list = append(list, name)
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(list).Draw(t, "model")
		m, err := r.Resolve(dialect(names[name]), name, false)
		if err != nil {
			t.Fatal(err)
		}
		host := m.Provider.Host()
		call := Call{Outputs: 1, Reason: rapid.Bool().Draw(t, "asks")}
		if call.Reason {
			call.ThinkingCap = rapid.SampledFrom([]int64{0, 4000, 31999}).Draw(t, "budget")
		}
		limit := rapid.Int64Range(1, 64000).Draw(t, "cap")
		seconds := rapid.Int64Range(0, 60).Draw(t, "seconds")
		rate := rapid.Int64Range(60, host.PaceOf()).Draw(t, "rate")
		thought := int64(0)
		if m.Thinks.Hides(call) {
			thought = rapid.Int64Range(0, 32000).Draw(t, "thought")
			if call.ThinkingCap > 0 {
				thought = min(thought, call.ThinkingCap*3/2)
			}
		}
		answer := rapid.Int64Range(200, 8000).Draw(t, "answer")
		whole := min(thought+answer, limit)
		made := min(whole, rate*seconds)
		shown := max(0, made-thought-rapid.Int64Range(0, lagTokens).Draw(t, "on its way"))
		wentOn := host.GoesOn
		if wentOn {
			made = whole
		}
		b := Broken{Call: call, Model: m, Cap: limit, Shown: shown, Took: time.Duration(seconds) * time.Second, WentOn: wentOn, Stopped: host.Stops && rapid.Bool().Draw(t, "closed")}
		if got := b.Output(); got < made {
			t.Fatalf("%+v: %d, made %d", b, got, made)
		}
	})
}
