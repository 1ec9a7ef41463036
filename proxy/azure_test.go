package proxy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/policy"
)

// azureServer answers as Azure does, reached as a proxy under Azure's own name.
type azureServer struct{ asked []string }

func (s *azureServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.asked = append(s.asked, r.URL.String()+" key="+r.Header.Get("Api-Key")+" bearer="+r.Header.Get("Authorization")+" "+string(body))
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"id":"c","object":"chat.completion","model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100},"prompt_filter_results":[]}`)
}

// TestAzurePaths: the paths and headers of Azure's SDKs, in and out.
func TestAzurePaths(t *testing.T) {
	const messages = `"max_tokens":100,"messages":[{"role":"user","content":"hi"}]}`
	const modelYAML = "version: 1\nproviders:\n  az: {base_url: BASE, key_env: AZURE_OPENAI_API_KEY, proxy: PROXY}\nmodels:\n  house: {provider: az, provider_model: gpt-4o}\n"
	for name, c := range map[string]struct{ base, path, body, want string }{
		"deployment": {"http://me.openai.azure.com", "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21", `{` + messages,
			"http://me.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"},
		"the model in the body too": {"http://me.openai.azure.com/openai/v1", "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21", `{"model":"other",` + messages,
			"http://me.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"},
		"a base URL with /v1 before it": {"http://me.cognitiveservices.azure.com/openai/v1", "/v1/openai/deployments/gpt-4o/chat/completions?api-version=1", `{` + messages,
			"http://me.cognitiveservices.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=1"},
		"an alias": {"http://me.openai.azure.com", "/openai/deployments/house/chat/completions?api-version=1", `{` + messages,
			"http://me.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=1"},
		"v1": {"http://me.openai.azure.com", "/openai/v1/chat/completions", `{"model":"gpt-4o",` + messages,
			"http://me.openai.azure.com/openai/v1/chat/completions"},
		"a deployment as the base URL": {"http://me.services.ai.azure.com/openai/deployments/gpt-4o", "/p/az/chat/completions?api-version=1", `{"model":"gpt-4o",` + messages,
			"http://me.services.ai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &azureServer{}
			proxy := httptest.NewServer(s)
			t.Cleanup(proxy.Close)
			w := newWorld(t, setup{prices: []string{}, models: strings.NewReplacer("BASE", c.base, "PROXY", proxy.URL).Replace(modelYAML),
				change: func(o *Options) {
					o.Registry = azureOnly(t, strings.NewReplacer("BASE", c.base, "PROXY", proxy.URL).Replace(modelYAML))
				}})
			status, _, answer, err := w.post(c.path, c.body, "Authorization", "", "Api-Key", w.token)
			must(t, err)
			if status != 200 || len(s.asked) != 1 || !strings.HasPrefix(s.asked[0], c.want+" key="+realKey+" bearer= {") {
				t.Fatalf("%d %s: asked %q", status, answer, s.asked)
			}
			if run := w.booked(1); run.Account.Spent != 2500+1000 {
				t.Errorf("booked %s", run.Account.Spent)
			}
		})
	}
}

// azureOnly is a registry with a key for Azure alone.
func azureOnly(t *testing.T, models string) *policy.Registry {
	t.Helper()
	r, err := policy.NewRegistry(policy.Sources{ModelsFile: writeModels(t, models, ""), HasKey: map[string]bool{"AZURE_OPENAI_API_KEY": true}})
	must(t, err)
	return r
}

// TestAzurePathsRefused: what is no call of a deployment is not let through.
func TestAzurePathsRefused(t *testing.T) {
	w := newWorld(t, setup{})
	for _, path := range []string{"/openai/deployments/gpt-4o", "/openai/deployments//chat/completions", "/openai/deployments/gpt-4o/images/generations", "/openai/deployments/a/b/chat/completions"} {
		status, h, _, err := w.post(path, `{"messages":[]}`, "Api-Key", w.token)
		must(t, err)
		if status != 403 || h.Get("X-Aex-Code") != "endpoint_not_governed" {
			t.Errorf("%s: %d %s", path, status, h.Get("X-Aex-Code"))
		}
	}
	// A deployment elsewhere than at Azure is a model like any other.
	status, _, answer, err := w.post("/openai/deployments/gpt-4o-mini/chat/completions", `{"max_tokens":20,"messages":[{"role":"user","content":"hi"}]}`)
	must(t, err)
	if bill := w.provider.Bill(); status != 200 || len(bill) != 1 || bill[0].Model != "gpt-4o-mini" || bill[0].Path != "/v1/chat/completions" {
		t.Errorf("%d %s: %+v", status, answer, bill)
	}
	w.booked(1)
}
