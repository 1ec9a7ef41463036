package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// Issuer is an issuer of tokens that is believed, and what its tokens are good for.
type Issuer struct {
	URL      string
	Audience string // for whom its tokens are: this gateway
	Rules    []Rule // the first that fits a token counts
}

// Rule says which agent the runs of a job belong to.
type Rule struct {
	Claims map[string][]string // each must be one of these values
	Agent  string
	MaxRun *ledger.Micros // the most of each run; nil: no such limit
	TTL    time.Duration
}

func (r Rule) fits(c Claims) bool {
	for name, values := range r.Claims {
		if !slices.ContainsFunc(values, func(v string) bool { return c.has(name, v) }) {
			return false
		}
	}
	return len(r.Claims) > 0
}

// Issuers are all that are believed.
type Issuers struct {
	list []issuer
	now  func() time.Time
}

type issuer struct {
	Issuer
	keys *keys
}

// New takes the issuers, whose keys are asked for by way of transport when the
// first token comes.
func New(list []Issuer, transport http.RoundTripper, now func() time.Time) *Issuers {
	all := &Issuers{now: now}
	for _, one := range list {
		all.list = append(all.list, issuer{one, newKeys(one.URL, transport, now)})
	}
	return all
}

// ErrNoRule reports a good token that no rule gives to an agent.
var ErrNoRule = errors.New("no rule fits the token")

// Check tells which rule a token is for, and whose it is (sub). ErrRefused and
// ErrNoRule are the token's fault; others are passing.
func (s *Issuers) Check(ctx context.Context, text string) (Rule, string, error) {
	t, err := parse(text)
	if err != nil {
		return Rule{}, "", err
	}
	err = refused("its issuer, %.100q, is not one that this gateway believes", t.claims.Text("iss"))
	for _, one := range s.list {
		if one.URL != t.claims.Text("iss") || one.URL == "" {
			continue
		}
		if no := one.check(ctx, t, s.now()); no != nil { // the same issuer may stand there with another audience
			if errors.Is(err, ErrRefused) {
				err = no
			}
			continue
		}
		subject := t.claims.Text("sub")
		for _, r := range one.Rules {
			if r.fits(t.claims) {
				return r, subject, nil
			}
		}
		err = fmt.Errorf("%w; it is of %.200q", ErrNoRule, subject)
	}
	return Rule{}, "", err
}

func (i issuer) check(ctx context.Context, t token, now time.Time) error {
	if !t.claims.has("aud", i.Audience) {
		return refused("it is for %.200q, and not for %q", fmt.Sprint(t.claims["aud"]), i.Audience)
	}
	if err := t.claims.current(now); err != nil {
		return err
	}
	if t.alg != "RS256" && t.alg != "ES256" {
		return refused("it is signed by %.20q, and not by RS256 or ES256", t.alg)
	}
	key, err := i.keys.find(ctx, t.kid)
	if err != nil {
		return err
	}
	if !t.verify(key) {
		return refused("its signature is wrong")
	}
	return nil
}
