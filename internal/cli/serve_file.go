package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/Auro-rium/aex/v3/internal/whole"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/oidc"
)

const (
	maxServeFile = 1 << 20
	jobTTL       = time.Hour // of a token that a CI's was exchanged for
	maxJobTTL    = 24 * time.Hour
)

// issuers reads serve.yaml, which stands beside models.yaml and says what aex
// serve needs that is too much for flags: whose tokens are exchanged. Nil:
// nobody's.
func (s *settings) issuers(caFile string, now func() time.Time) (*oidc.Issuers, error) {
	path := filepath.Join(filepath.Dir(s.modelsFile), "serve.yaml")
	text, err := whole.Read(path, maxServeFile)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	file, err := policy.ParseServeFile(path, text, policy.Checks{Agent: nameRule(ledger.CheckName), Issuer: oidc.CheckURL, TTL: jobLife})
	if err != nil {
		return nil, hinted(err, "correct it; docs/shared.md has an example")
	}
	if len(file) == 0 {
		return nil, nil
	}
	roots, err := rootsWith(caFile)
	if err != nil {
		return nil, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	return oidc.New(believed(file), t, now), nil
}

// believed are the issuers of serve.yaml.
func believed(file []policy.JobIssuer) (list []oidc.Issuer) {
	for _, i := range file {
		one := oidc.Issuer{URL: i.URL, Audience: i.Audience}
		for _, r := range i.Rules {
			rule := oidc.Rule{Agent: r.Agent, TTL: cmp.Or(r.TTL, jobTTL), Claims: r.Claims}
			if r.MaxRun != nil {
				most := ledger.Micros(*r.MaxRun)
				rule.MaxRun = &most
			}
			one.Rules = append(one.Rules, rule)
		}
		list = append(list, one)
	}
	return list
}

// jobLife reads how long a job's token lives.
func jobLife(text string) (time.Duration, error) {
	var ttl ttlFlag
	if err := ttl.Set(text); err != nil {
		return 0, err
	}
	if ttl.d <= 0 || ttl.d > maxJobTTL {
		return 0, fmt.Errorf("%q is not a time of up to %s", text, maxJobTTL)
	}
	return ttl.d, nil
}

// exchange asks the issuers that are believed now, if there are any.
func (s *server) exchange(ctx context.Context, token string) (oidc.Rule, string, error) {
	issuers := s.issuers.Load()
	if issuers == nil {
		return oidc.Rule{}, "", fmt.Errorf("%w: there is no oidc: in serve.yaml", oidc.ErrNoRule)
	}
	return issuers.Check(ctx, token)
}
