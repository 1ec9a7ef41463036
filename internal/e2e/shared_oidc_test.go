//go:build linux

package e2e

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeissuer"
	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// A CI's job has a run at a shared gateway by what the CI vouches for, with no
// secret of its own: as GitHub does it, and as GitLab. Nothing of that reaches
// the program.
func TestAJobsTokenOpensRuns(t *testing.T) {
	ci := fakeissuer.New()
	t.Cleanup(ci.Close)
	s := newStage(t, fakeprovider.Options{Lean: true})
	s.do("agent", "create", "search-ci", "5.00", "none")
	g := s.gate()
	must(t, os.MkdirAll(filepath.Join(g.home, "config"), 0o700))
	must(t, os.WriteFile(filepath.Join(g.home, "config", "serve.yaml"), []byte(`oidc:
  - issuer: `+ci.URL+`
    audience: `+g.url()+`
    agents:
      - claims: {repository: [acme/search, acme/find]}
        agent: search-ci
        max_run: "0.10"
        ttl: 30m
`), 0o600))
	g.start()
	job := func(repository, audience string) string {
		return ci.Sign("ec", map[string]any{"aud": audience, "repository": repository})
	}
	for _, tt := range []struct {
		name string
		env  []string
		says string // on standard error; "": it runs
	}{
		{"GitHub", []string{"ACTIONS_ID_TOKEN_REQUEST_URL=" + ci.URL + "/actions?x=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=request"}, ""},
		{"both", []string{"AEX_OIDC_TOKEN=" + job("acme/find", g.url()), "ACTIONS_ID_TOKEN_REQUEST_URL=" + ci.URL + "/actions?x=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=request"}, ""},
		{"GitLab", []string{"AEX_OIDC_TOKEN=" + job("acme/find", g.url())}, ""},
		{"another repository", []string{"AEX_OIDC_TOKEN=" + job("evil/search", g.url())}, "no rule fits the token; it is of"},
		{"another audience", []string{"AEX_OIDC_TOKEN=" + job("acme/search", "https://cloud.example.com")}, "it is for"},
		{"no permission", []string{"ACTIONS_ID_TOKEN_REQUEST_URL=" + ci.URL + "/actions", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=wrong"}, "id-token: write"},
	} {
		r := s.runner("", g)
		r.env = append(r.env, tt.env...)
		got := r.do(append([]string{"run", "--", "sh", "-c", `env; exec "$@"`, "sh"}, bot("steady", "2")...)...)
		if tt.says != "" {
			if got.code != 125 || !strings.Contains(got.stderr, tt.says) || got.stdout != "" {
				t.Errorf("%s: exit %d\n%s%s", tt.name, got.code, got.stdout, got.stderr)
			}
			continue
		}
		if got.code != 0 || !strings.Contains(got.stderr, "search-ci: $") || !strings.Contains(got.stderr, "of $0.10, 2 calls") {
			t.Errorf("%s: exit %d\n%s", tt.name, got.code, got.stderr)
		}
		if strings.Contains(got.stdout, "ID_TOKEN") || strings.Contains(got.stdout, "AEX_OIDC_TOKEN") {
			t.Errorf("%s: the program can vouch for itself:\n%s", tt.name, got.stdout)
		}
	}
	if out := s.do("events", "--json").stdout; !strings.Contains(out, `"for":"repo:acme/search:ref:refs/heads/main"`) {
		t.Errorf("the trail does not tell whom the tokens are for:\n%s", out)
	}
	jobsTokensLive(t, s.home, 30*time.Minute)
	s.audit()
}

// jobsTokensLive compares how long the tokens live that jobs were given. When one is
// made is noted after its end was set, which takes a moment.
func jobsTokensLive(t *testing.T, home string, want time.Duration) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(home, "aex.db"))
	must(t, err)
	defer db.Close()
	var tokens, shortest, longest time.Duration
	must(t, db.QueryRow(`SELECT count(*), min(expires_at - created_at), max(expires_at - created_at) FROM token WHERE run_no IS NULL AND expires_at IS NOT NULL`).
		Scan(&tokens, &shortest, &longest))
	if tokens == 0 || shortest*time.Millisecond < want-time.Minute || longest*time.Millisecond > want {
		t.Errorf("%d tokens live from %s to %s, want %s", tokens, shortest*time.Millisecond, longest*time.Millisecond, want)
	}
}
