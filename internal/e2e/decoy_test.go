//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/decoy"
	"github.com/Auro-rium/aex/v3/internal/need"
)

// asks is a name under which programs look for a provider, with what they ask
// there; written from the libraries' own documentation, not from aex's table.
type asks struct{ base, real, path, key string }

var asked = []asks{
	{"OPENAI_BASE_URL", "https://api.openai.com/v1", "/chat/completions", "OPENAI_API_KEY"},
	{"OPENAI_API_BASE", "https://api.openai.com/v1", "/responses", "OPENAI_API_KEY"},
	{"OPENAI_HOST", "https://api.openai.com", "/v1/chat/completions", "OPENAI_API_KEY"},
	{"ANTHROPIC_BASE_URL", "https://api.anthropic.com", "/v1/messages", "ANTHROPIC_API_KEY"},
	{"ANTHROPIC_API_BASE", "https://api.anthropic.com", "/v1/messages", "ANTHROPIC_AUTH_TOKEN"},
	{"ANTHROPIC_API_URL", "https://api.anthropic.com", "/v1/messages", "ANTHROPIC_API_KEY"},
	{"ANTHROPIC_HOST", "https://api.anthropic.com", "/v1/messages", "ANTHROPIC_API_KEY"},
	{"GOOGLE_GEMINI_BASE_URL", "https://generativelanguage.googleapis.com", "/v1beta/models/M:generateContent", "GEMINI_API_KEY"},
	{"GEMINI_API_BASE", "https://generativelanguage.googleapis.com/v1beta", "/models/M:generateContent", "GOOGLE_API_KEY"},
	{"GOOGLE_HOST", "https://generativelanguage.googleapis.com", "/v1beta/models/M:generateContent", "GOOGLE_GENERATIVE_AI_API_KEY"},
	{"GROQ_BASE_URL", "https://api.groq.com", "/openai/v1/chat/completions", "GROQ_API_KEY"},
	{"GROQ_API_BASE", "https://api.groq.com/openai/v1", "/chat/completions", "GROQ_API_KEY"},
	{"MISTRAL_API_BASE", "https://api.mistral.ai/v1", "/chat/completions", "MISTRAL_API_KEY"},
	{"MISTRAL_BASE_URL", "https://api.mistral.ai/v1", "/chat/completions", "MISTRAL_API_KEY"},
	{"DEEPSEEK_API_BASE", "https://api.deepseek.com/v1", "/chat/completions", "DEEPSEEK_API_KEY"},
	{"DEEPSEEK_BASE_URL", "https://api.deepseek.com/v1", "/chat/completions", "DEEPSEEK_API_KEY"},
	{"XAI_API_BASE", "https://api.x.ai/v1", "/chat/completions", "XAI_API_KEY"},
	{"TOGETHER_AI_API_BASE", "https://api.together.xyz/v1", "/chat/completions", "TOGETHERAI_API_KEY"},
	{"TOGETHER_BASE_URL", "https://api.together.xyz/v1", "/chat/completions", "TOGETHER_API_KEY"},
	{"FIREWORKS_API_BASE", "https://api.fireworks.ai/inference/v1", "/chat/completions", "FIREWORKS_API_KEY"},
	{"CEREBRAS_API_BASE", "https://api.cerebras.ai/v1", "/chat/completions", "CEREBRAS_API_KEY"},
	{"OPENROUTER_API_BASE", "https://openrouter.ai/api/v1", "/chat/completions", "OPENROUTER_API_KEY"},
	{"OPENROUTER_BASE_URL", "https://openrouter.ai/api/v1", "/chat/completions", "OR_API_KEY"},
	{"OPENROUTER_HOST", "https://openrouter.ai", "/api/v1/chat/completions", "OPENROUTER_API_KEY"},
}

// sealed is a role: aex in a world of its own.
func sealed(args []string) int {
	code, err := decoy.Run(context.Background(), args[0], realKey, args[1:], os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	return code
}

// asksAll is a role: a program that goes by every name it knows, with the key
// that it finds, and last to a host that no name leads to.
func asksAll() int {
	for _, a := range asked {
		say("named", a.base, answerOf(os.Getenv(a.base)+a.path, os.Getenv(a.key)))
	}
	say("other", answerOf("https://telemetry.example/v1/events", ""))
	return 0
}

func say(words ...any) { fmt.Println(words...) }

// answerOf is the status of a request to a model.
func answerOf(url, key string) string {
	body := `{"model":"M","max_tokens":20,"messages":[{"role":"user","content":"hi"}],"input":"hi"}`
	if strings.Contains(url, "generateContent") {
		body = `{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":20}}`
	}
	if strings.HasSuffix(url, "/responses") {
		body = `{"model":"M","max_output_tokens":20,"input":"hi"}`
	} else {
		body = strings.ReplaceAll(body, `,"input":"hi"`, "")
	}
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Anthropic-Version", "2023-06-01")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
	if resp.StatusCode == http.StatusOK {
		return "200"
	}
	return fmt.Sprint(resp.StatusCode, " ", string(answer))
}

// With every name set to a real host, a program's calls come to aex, are booked
// as they are billed, and nothing of them reaches those hosts by another way.
func TestNoCallGoesPast(t *testing.T) {
	need.Unshare(t, "-Urnm")
	home, out := t.TempDir(), filepath.Join(t.TempDir(), "seen.json")
	cmd := exec.Command("/proc/self/exe", out, binary, "run", "-a", "x", "-b", "5", "--price", "M=1/2", "--report", home+"/report.json", "--", "/proc/self/exe")
	cmd.Args = slices.Replace(cmd.Args, len(cmd.Args)-1, len(cmd.Args), "env", "AEX_E2E_ROLE=asks", os.Args[0])
	cmd.SysProcAttr = decoy.Attr()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "AEX_HOME=" + home + "/.aex", "AEX_E2E_ROLE=sealed"}
	for _, a := range asked {
		cmd.Env = append(cmd.Env, a.base+"="+a.real, a.key+"="+realKey)
	}
	answers, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, answers)
	}
	var seen decoy.Seen
	read, err := os.ReadFile(out)
	must(t, err)
	must(t, json.Unmarshal(read, &seen))
	for line := range strings.Lines(string(answers)) {
		if strings.HasPrefix(line, "named") && !strings.HasSuffix(line, " 200\n") {
			t.Errorf("a call was not answered: %s", line)
		}
	}
	var charged int
	for _, e := range seen.Entries {
		if e.Charged {
			charged++
		}
	}
	if charged != len(asked) {
		t.Errorf("%d of %d calls reached the providers\n%s", charged, len(asked), answers)
	}
	if len(seen.Asked) != 1 || seen.Asked[0].Host != "telemetry.example" {
		t.Errorf("the listener does not hear what goes past, or heard more: %+v", seen.Asked)
	}
	for _, a := range seen.Asked {
		text, _ := json.Marshal(a)
		if bytes.Contains(text, []byte(realKey)) {
			t.Errorf("a key went to %s", a.Host)
		}
	}
	report, err := os.ReadFile(home + "/report.json")
	if err != nil || !strings.Contains(string(report), fmt.Sprintf(`"calls": %d`, len(asked))) {
		t.Errorf("%v: the report says %s", err, report)
	}
}
