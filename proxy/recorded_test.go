package proxy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// recordedIn is the folder of answers that another gateway has recorded of the
// providers: `make recorded` fetches them.
const recordedIn = "AEX_RECORDED"

// TestRecordedAnswers replays every one. Where it has usage it is booked exactly;
// an error before anything was shown costs nothing, or the input that it reports.
func TestRecordedAnswers(t *testing.T) {
	folder := os.Getenv(recordedIn)
	if folder == "" {
		t.Skip("NOT TESTED: make recorded fetches what others have recorded, and runs this")
	}
	sections := map[string]int{}
	must(t, filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".txtar" {
			return err
		}
		archive, err := txtar.ParseFile(path)
		must(t, err)
		var request []byte
		for _, f := range archive.Files {
			if f.Name == "request" {
				request = f.Data
			}
			kind, _, _ := strings.Cut(f.Name, "/")
			if request == nil || kind != "streaming" && kind != "non-streaming" {
				continue
			}
			name, _ := filepath.Rel(folder, path)
			t.Run(name+"/"+f.Name, func(t *testing.T) { sections[replayRecorded(t, path, request, kind == "streaming", f.Data)]++ })
		}
		return nil
	}))
	t.Logf("sections by how they were booked: %v", sections)
	if sections["settled"] == 0 || sections["cancelled"] == 0 {
		t.Error("no section with usage, or no error, was replayed")
	}
}

// recordedWires are the wires of the recorded answers, by a part of their path.
var recordedWires = []struct{ part, path, wire string }{
	{"/anthropic/", "/v1/messages", policy.Messages},
	{"/chatcompletions/", "/v1/chat/completions", policy.Chat},
	{"/responses/", "/v1/responses", policy.Responses},
}

func replayRecorded(t *testing.T, file string, request []byte, stream bool, answer []byte) (how string) {
	at := recordedWires[0]
	for _, w := range recordedWires {
		if strings.Contains(file, w.part) {
			at = w
		}
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { sendRecorded(t, w, stream, answer) }))
	t.Cleanup(proxy.Close)
	var asked map[string]any
	must(t, json.Unmarshal(request, &asked))
	asked["stream"] = stream
	model, _ := asked["model"].(string)
	w := newWorld(t, setup{budget: "none", change: func(o *Options) { o.Registry = recordedRegistry(t, proxy.URL, at.wire, model) }})
	_, _, _, _ = w.post(at.path, jsonOf(asked), "Anthropic-Version", "2023-06-01")
	w.booked(1)
	calls, err := bookedCalls(t.Context(), w.ledger, w.run, 1)
	must(t, err)
	b := calls[0]
	m, err := w.gateway.registry.Load().Resolve(wire.Named(at.wire).Dialect, model, false)
	must(t, err)
	usage, known := recordedUsage(answer)
	want, err := policy.Cost(m.Price, usage, "")
	must(t, err)
	shown := bytes.Contains(answer, []byte(`.delta"`)) || bytes.Contains(answer, []byte(`"content":"`+"T"))
	switch fails := bytes.Contains(answer, []byte(`"error":{`)) || bytes.Contains(answer, []byte(`"error": {`)) || bytes.HasPrefix(answer, []byte("HTTP/")); {
	case known && (b.How != string(ledger.Settled) || int64(b.Cost) != want):
		t.Errorf("booked %s %s, the usage is %+v: %d", b.How, b.Cost, usage, want)
	case !known && fails && !shown && usage.Input == 0 && b.Cost != 0:
		t.Errorf("an error costs %s (%s, %s)", b.Cost, b.How, b.Ending)
	case !known && fails && usage.Input > 0 && !shown && (int64(b.Cost) > want+20 || b.Cost == 0):
		t.Errorf("an error after input of %d micro-dollars costs %s", want, b.Cost)
	case !known && (b.How == string(ledger.Settled) || b.Cost > b.Amount):
		t.Errorf("without usage: booked %s %s of %s", b.How, b.Cost, b.Amount)
	}
	return b.How
}

// recordedRegistry has the providers under their own names, all of them at proxy.
func recordedRegistry(t *testing.T, proxy, wireName, model string) *policy.Registry {
	t.Helper()
	s := policy.Sources{HasKey: map[string]bool{"openai": true, "anthropic": true}, ModelsFile: writeModels(t, strings.ReplaceAll(`version: 1
providers:
  openai: {base_url: "http://api.openai.com/v1", proxy: "PROXY"}
  anthropic: {base_url: "http://api.anthropic.com", type: anthropic, proxy: "PROXY"}
`, "PROXY", proxy), "")}
	r, err := policy.NewRegistry(s)
	must(t, err)
	if _, err := r.Resolve(wire.Named(wireName).Dialect, model, false); err != nil { // a made up name
		s.Prices = []string{model + "=2/8"}
		r, err = policy.NewRegistry(s)
		must(t, err)
	}
	return r
}

// sendRecorded answers as it was recorded: with a status and headers, or only a body.
func sendRecorded(t *testing.T, w http.ResponseWriter, stream bool, answer []byte) {
	if rest, ok := bytes.CutPrefix(answer, []byte("HTTP/2.0")); ok {
		resp, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader("HTTP/1.1"), bytes.NewReader(rest))), nil)
		if err != nil {
			t.Error(err)
			return
		}
		body, _ := io.ReadAll(resp.Body) // its length is not always right
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		_, _ = w.Write(body)
		return
	}
	w.Header().Set("Content-Type", map[bool]string{true: "text/event-stream", false: "application/json"}[stream])
	_, _ = w.Write(answer)
}

// tokens is a usage object of any of the APIs.
type tokens struct {
	Input      *int64 `json:"input_tokens"`
	Output     *int64 `json:"output_tokens"`
	Prompt     *int64 `json:"prompt_tokens"`
	Completion *int64 `json:"completion_tokens"`
	Read       *int64 `json:"cache_read_input_tokens"`
	Written    *int64 `json:"cache_creation_input_tokens"`
	Details    struct {
		Cached int64 `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	PromptDetails struct {
		Cached int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

// recordedUsage is the usage of an answer, read with no help of the wires: known
// where input and output are both told to the end.
func recordedUsage(answer []byte) (u policy.Usage, known bool) {
	for _, line := range append(strings.Split(string(answer), "\n"), string(answer)) {
		var e struct {
			Type     string
			Usage    *tokens
			Message  struct{ Usage *tokens }
			Response struct{ Usage *tokens }
		}
		if json.Unmarshal([]byte(strings.TrimPrefix(line, "data:")), &e) != nil {
			continue
		}
		for _, k := range []*tokens{e.Usage, e.Message.Usage, e.Response.Usage} {
			if k == nil {
				continue
			}
			known = known || e.Type != "message_start"
			switch {
			case k.Prompt != nil:
				u = policy.Usage{Input: *k.Prompt - k.PromptDetails.Cached, CacheRead: k.PromptDetails.Cached, Output: *k.Completion}
			case k.Read != nil || k.Written != nil || k.Input == nil:
				if k.Input != nil {
					u.Input = *k.Input
				}
				if k.Read != nil {
					u.CacheRead = *k.Read
				}
				if k.Written != nil {
					u.CacheWrite5m = *k.Written
				}
				if k.Output != nil && e.Type != "message_start" {
					u.Output = *k.Output
				}
			default:
				u = policy.Usage{Input: *k.Input - k.Details.Cached, CacheRead: k.Details.Cached, Output: *k.Output}
			}
		}
	}
	return u, known
}
