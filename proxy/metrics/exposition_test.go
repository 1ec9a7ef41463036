package metrics

import "testing"

// TestExposition compares with what Prometheus' documentation shows of its text
// format: help and type before all lines of a family, labels escaped, buckets
// cumulative up to infinity. make browser has Prometheus' own tool read /metrics.
func TestExposition(t *testing.T) {
	var x exposition
	calls := newCounter("x_calls_total", `Calls\, by model.`, "provider", "model")
	x.addHistogram(newHistogram("x_seconds", "How long.", "model"), []int64{100, 2500}, []int64{2, 1, -1}, 3.25, 1000, "m")
	x.addHistogram(newHistogram("x_tokens", "How many."), nil, []int64{7}, 1e6, 1)
	x.add(calls, 3, "openai", "gpt\"4\\o\nx")
	x.add(newGauge("x_holds", "Now."), 0.000001)
	x.add(calls, 12345678, "google", "gemini")
	const want = `# HELP x_calls_total Calls\\, by model.
# TYPE x_calls_total counter
x_calls_total{provider="openai",model="gpt\"4\\o\nx"} 3
x_calls_total{provider="google",model="gemini"} 1.2345678e+07
# HELP x_holds Now.
# TYPE x_holds gauge
x_holds 1e-06
# HELP x_seconds How long.
# TYPE x_seconds histogram
x_seconds_bucket{model="m",le="0.1"} 2
x_seconds_bucket{model="m",le="2.5"} 3
x_seconds_bucket{model="m",le="+Inf"} 3
x_seconds_sum{model="m"} 3.25
x_seconds_count{model="m"} 3
# HELP x_tokens How many.
# TYPE x_tokens histogram
x_tokens_bucket{le="+Inf"} 7
x_tokens_sum 1e+06
x_tokens_count 7
`
	if got := x.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
