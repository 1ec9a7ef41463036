package adapter

import (
	"os"
	"path/filepath"
	"regexp"

	"github.com/Auro-rium/aex/v3/supervisor/environ"
)

// codexProvider is a provider of aex's own: Codex ignores OPENAI_BASE_URL. The
// token stays in the environment.
func codexProvider(to environ.Gateway) string {
	return `{name="aex",base_url="` + to.URL + `/v1",env_key="OPENAI_API_KEY",wire_api="responses"}`
}

// codexSearch keeps Codex's hosted search out of its requests: it sets no bound
// on how often it searches, so no budget could hold it.
const codexSearch = `"disabled"`

// leadCodex makes a home that is the user's, but for the provider and for the
// login, which would be asked before it. Its databases stay where they are.
func leadCodex(p *Place) error {
	own := p.dirOf("CODEX_HOME", ".codex")
	var kept []string
	if _, err := os.Stat(own); err == nil {
		kept = []string{"sessions"}
		if !p.has("CODEX_SQLITE_HOME") {
			p.set("CODEX_SQLITE_HOME", own)
		}
	}
	if err := p.lend(own, kept, "config.toml", "auth.json", "auth.json.lock", "auth.lock"); err != nil {
		return err
	}
	if _, err := p.write("codex/config.toml", codexConfig(p.Gateway, read(filepath.Join(own, "config.toml")))); err != nil {
		return err
	}
	p.set("CODEX_HOME", p.dir)
	return nil
}

var (
	codexOwn    = regexp.MustCompile(`(?m)^[ \t]*(model_provider|openai_base_url|chatgpt_base_url|preferred_auth_method|forced_login_method|experimental_bearer_token)[ \t]*=.*\n?`)
	codexHas    = regexp.MustCompile(`(?m)^[ \t]*web_search[ \t]*=`)
	codexInline = regexp.MustCompile(`(?m)^[ \t]*model_providers[ \t]*=.*\n?`)
)

// codexConfig is the user's configuration with another provider.
func codexConfig(to environ.Gateway, own []byte) []byte {
	config := "model_provider = \"aex\"\n"
	if !codexHas.Match(own) {
		config += "web_search = " + codexSearch + "\n"
	}
	own = codexInline.ReplaceAll(codexOwn.ReplaceAll(own, nil), nil)
	return []byte(config + string(own) + "\n[model_providers.aex]\nname = \"aex\"\nbase_url = \"" + to.URL +
		"/v1\"\nenv_key = \"OPENAI_API_KEY\"\nwire_api = \"responses\"\n")
}

// startCodex: what stands on the command line goes before all files, those of
// a project and of a profile included, so the user's own home will do.
func startCodex(s *Start) error {
	s.restore("CODEX_HOME")
	s.restore("CODEX_SQLITE_HOME")
	s.args("-c", `model_provider="aex"`, "-c", `model_providers.aex=`+codexProvider(s.Gateway))
	config := read(filepath.Join(s.dirOf("CODEX_HOME", ".codex"), "config.toml"))
	if _, _, asked := s.given("--search"); !asked && !codexHas.Match(config) {
		s.args("-c", "web_search="+codexSearch)
	}
	return nil
}

func storedByCodex(p *Place) map[string]string {
	return map[string]string{"OPENAI_API_KEY": text(readJSON(filepath.Join(p.dirOf("CODEX_HOME", ".codex"), "auth.json")), "OPENAI_API_KEY")}
}

func serveCodex(to environ.Gateway) []Snippet {
	return []Snippet{{"~/.codex/config.toml", string(codexConfig(to, nil))}}
}
