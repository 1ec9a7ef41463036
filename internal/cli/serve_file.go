package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/Auro-rium/aex/v3/internal/whole"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/oidc"
)

// serveFile is serve.yaml, beside models.yaml: what aex serve needs that is too
// much for flags.
type serveFile struct {
	OIDC []struct {
		Issuer   string `yaml:"issuer"`
		Audience string `yaml:"audience"`
		Agents   []struct {
			Claims map[string]oneOrMore `yaml:"claims"`
			Agent  string               `yaml:"agent"`
			MaxRun string               `yaml:"max_run"`
			TTL    string               `yaml:"ttl"`
		} `yaml:"agents"`
	} `yaml:"oidc"`
}

// oneOrMore is a value, or a list of them.
type oneOrMore []string

func (o *oneOrMore) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*o = oneOrMore{n.Value}
		return nil
	}
	return n.Decode((*[]string)(o))
}

const (
	maxServeFile = 1 << 20
	jobTTL       = time.Hour // of a token that a CI's was exchanged for
	maxJobTTL    = 24 * time.Hour
)

// issuers reads whose tokens are exchanged. Nil: nobody's.
func (s *settings) issuers(caFile string, now func() time.Time) (*oidc.Issuers, error) {
	path := filepath.Join(filepath.Dir(s.modelsFile), "serve.yaml")
	text, err := whole.Read(path, maxServeFile)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	var file serveFile
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	list, err := file.issuers()
	if err != nil {
		return nil, hinted(fmt.Errorf("%s: %w", path, err), "docs/shared.md has an example")
	}
	if len(list) == 0 {
		return nil, nil
	}
	roots, err := rootsWith(caFile)
	if err != nil {
		return nil, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	return oidc.New(list, t, now), nil
}

// issuers checks what the file says.
func (f serveFile) issuers() (list []oidc.Issuer, err error) {
	for n, i := range f.OIDC {
		where := fmt.Sprintf("oidc, entry %d", n+1)
		if err := oidc.CheckURL(i.Issuer); err != nil {
			return nil, fmt.Errorf("%s: issuer: %w", where, err)
		}
		if i.Audience == "" || len(i.Agents) == 0 {
			return nil, fmt.Errorf("%s: it needs an audience, which is this gateway's address, and agents", where)
		}
		one := oidc.Issuer{URL: i.Issuer, Audience: i.Audience}
		for m, a := range i.Agents {
			where := fmt.Sprintf("%s, agents, entry %d", where, m+1)
			rule := oidc.Rule{Agent: a.Agent, TTL: jobTTL, Claims: map[string][]string{}}
			for name, values := range a.Claims {
				rule.Claims[name] = values
			}
			if a.Agent == "" || len(a.Claims) == 0 {
				return nil, fmt.Errorf("%s: it needs an agent, and claims: without them whoever has a job at that issuer would be let in", where)
			}
			if a.MaxRun != "" {
				most, err := ledger.ParseUSD(a.MaxRun)
				if err != nil || most <= 0 {
					return nil, fmt.Errorf("%s: max_run %q is not an amount above $0", where, a.MaxRun)
				}
				rule.MaxRun = &most
			}
			if a.TTL != "" {
				var ttl ttlFlag
				if err := ttl.Set(a.TTL); err != nil || ttl.d <= 0 || ttl.d > maxJobTTL {
					return nil, fmt.Errorf("%s: ttl %q is not a time of up to %s, like 1h or 90m", where, a.TTL, maxJobTTL)
				}
				rule.TTL = ttl.d
			}
			one.Rules = append(one.Rules, rule)
		}
		list = append(list, one)
	}
	return list, nil
}

// exchange asks the issuers that are believed now, if there are any.
func (s *server) exchange(ctx context.Context, token string) (oidc.Rule, string, error) {
	issuers := s.issuers.Load()
	if issuers == nil {
		return oidc.Rule{}, "", fmt.Errorf("%w: there is no oidc: in serve.yaml", oidc.ErrNoRule)
	}
	return issuers.Check(ctx, token)
}
