package oidc

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeissuer"
)

// world is an issuer, and a gateway's view of it at a time of its own.
type world struct {
	*fakeissuer.Issuer
	t   *testing.T
	all *Issuers
	now time.Time
}

const audience = "https://gate.example.com"

func newWorld(t *testing.T) *world {
	w := &world{Issuer: fakeissuer.New(), t: t, now: time.Unix(2_000_000_000, 0)}
	t.Cleanup(w.Close)
	w.all = New([]Issuer{{URL: w.URL, Audience: audience, Rules: []Rule{
		{Claims: map[string][]string{"repository": {"acme/search", "acme/find"}, "protected": {"true"}}, Agent: "protected"},
		{Claims: map[string][]string{"repository": {"acme/search"}}, Agent: "search"},
		{Agent: "everybody"},
	}}}, http.DefaultTransport, func() time.Time { return w.now })
	return w
}

// job is a token of a job in a repository that a rule names.
func (w *world) job(key string, more map[string]any) string {
	claims := map[string]any{"aud": audience, "repository": "acme/search"}
	for name, v := range more {
		claims[name] = v
	}
	return w.Sign(key, claims)
}

func TestTokensThatAreGood(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name  string
		token string
		agent string
	}{
		{"RS256", w.job("rsa", nil), "search"},
		{"ES256", w.job("ec", nil), "search"},
		{"several audiences", w.job("rsa", map[string]any{"aud": []string{"other", audience}}), "search"},
		{"the first rule that fits", w.job("rsa", map[string]any{"protected": true}), "protected"},
		{"another value of it", w.job("rsa", map[string]any{"protected": "true", "repository": "acme/find"}), "protected"},
		{"just expired, by another clock", w.job("rsa", map[string]any{"exp": w.now.Unix() - 30}), "search"},
		{"just made, by another clock", w.job("rsa", map[string]any{"iat": w.now.Unix() + 30, "nbf": w.now.Unix() + 30}), "search"},
	} {
		if rule, subject, err := w.all.Check(t.Context(), tt.token); err != nil || rule.Agent != tt.agent || subject == "" {
			t.Errorf("%s: %+v %q %v", tt.name, rule, subject, err)
		}
	}
	if w.Asked != 1 {
		t.Errorf("the issuer was asked for its keys %d times", w.Asked)
	}
}

// hs256 signs with what everybody knows, the published key, as a secret.
func (w *world) hs256(secret []byte) string {
	text := fakeissuer.Unsigned(map[string]any{"alg": "HS256", "kid": "rsa"}, map[string]any{"iss": w.URL, "aud": audience, "repository": "acme/search", "exp": 9e9})
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func publicPEM(t *testing.T, key crypto.Signer) []byte {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func TestTokensThatAreRefused(t *testing.T) {
	w := newWorld(t)
	other := fakeissuer.New()
	t.Cleanup(other.Close)
	good := w.job("rsa", nil)
	parts := strings.Split(good, ".")
	none := func(alg string) string {
		return fakeissuer.Unsigned(map[string]any{"alg": alg, "kid": "rsa"}, map[string]any{"iss": w.URL, "aud": audience, "repository": "acme/search", "exp": 9e9})
	}
	otherClaims := strings.Split(w.job("rsa", map[string]any{"repository": "acme/find", "protected": true}), ".")[1]
	for _, tt := range []struct{ name, token string }{
		{"nothing", ""},
		{"no token", "a.b.c"},
		{"too long", strings.Repeat("a", maxToken) + ".b.c"},
		{"alg none", none("none") + "."},
		{"alg None", none("None") + "." + parts[2]},
		{"no alg", none("") + "." + parts[2]},
		{"HS256 with the public key, as PEM", w.hs256(publicPEM(t, w.Key("rsa")))},
		{"another algorithm's signature", none("ES256") + "." + parts[2]},
		{"another's claims", parts[0] + "." + otherClaims + "." + parts[2]},
		{"a part of a signature", good[:len(good)-8]},
		{"no signature", parts[0] + "." + parts[1] + "."},
		{"another issuer", other.Sign("rsa", map[string]any{"aud": audience, "repository": "acme/search"})},
		{"another's key in its name", other.Sign("rsa", map[string]any{"iss": w.URL, "aud": audience, "repository": "acme/search"})},
		{"no issuer", w.job("rsa", map[string]any{"iss": nil})},
		{"another audience", w.job("rsa", map[string]any{"aud": "https://elsewhere.example.com"})},
		{"no audience", w.job("rsa", map[string]any{"aud": nil})},
		{"an audience that begins so", w.job("rsa", map[string]any{"aud": audience + ".evil.example"})},
		{"expired", w.job("rsa", map[string]any{"exp": w.now.Unix() - 61})},
		{"without an end", w.job("rsa", map[string]any{"exp": nil})},
		{"an end that is text", w.job("rsa", map[string]any{"exp": "9e9"})},
		{"not good yet", w.job("rsa", map[string]any{"nbf": w.now.Unix() + 61})},
		{"made in the future", w.job("rsa", map[string]any{"iat": w.now.Unix() + 61})},
		{"a header that is to be understood", w.job("rsa", map[string]any{"crit": []string{"exp"}})},
	} {
		if rule, _, err := w.all.Check(t.Context(), tt.token); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %+v %v", tt.name, rule, err)
		}
	}
	for _, claims := range []map[string]any{{"repository": "evil/search"}, {"repository": nil}, {"repository": "acme/find"}, {"repository": []any{}}} {
		if rule, _, err := w.all.Check(t.Context(), w.job("rsa", claims)); !errors.Is(err, ErrNoRule) {
			t.Errorf("%v: %+v %v", claims, rule, err)
		}
	}
}

// An issuer's new keys are asked for when a token comes that needs one, but not
// for every token that claims to.
func TestAnIssuersKeysChange(t *testing.T) {
	w := newWorld(t)
	check := func(token string) error {
		_, _, err := w.all.Check(t.Context(), token)
		return err
	}
	old := w.job("rsa", nil)
	if err := check(old); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(2 * time.Minute)
	w.Rotate("rsa2")
	if err := check(w.job("rsa2", nil)); err != nil || w.Asked != 2 {
		t.Errorf("a new key: %v, asked %d times", err, w.Asked)
	}
	if err := check(old); !errors.Is(err, ErrRefused) {
		t.Errorf("a key that was withdrawn: %v", err)
	}
	w.Rotate("rsa3")
	for range 20 {
		if err := check(w.job("rsa3", nil)); !errors.Is(err, ErrRefused) || w.Asked != 2 {
			t.Errorf("a key that is not known, within the minute: %v, asked %d times", err, w.Asked)
		}
	}
	w.now = w.now.Add(2 * time.Minute)
	good := w.job("rsa3", nil)
	if err := check(good); err != nil {
		t.Errorf("a minute later: %v", err)
	}
	// While the issuer is away its keys are good, for a day.
	w.Down = true
	w.now = w.now.Add(2 * time.Hour)
	if err := check(good); err != nil {
		t.Errorf("the issuer is away: %v", err)
	}
	w.now = w.now.Add(25 * time.Hour)
	if err := check(good); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("away for a day: %v", err)
	}
	w.Down, w.Name = false, "https://another.example.com"
	w.now = w.now.Add(2 * time.Minute)
	if err := check(good); err == nil || !strings.Contains(err.Error(), "is of the issuer") {
		t.Errorf("keys of another issuer: %v", err)
	}
}

// FuzzCheck: whatever comes, only what the issuer signed is believed.
func FuzzCheck(f *testing.F) {
	i := fakeissuer.New()
	f.Cleanup(i.Close)
	all := New([]Issuer{{URL: i.URL, Audience: audience, Rules: []Rule{{Claims: map[string][]string{"repository": {"acme/search"}}, Agent: "search"}}}}, http.DefaultTransport, time.Now)
	good := i.Sign("ec", map[string]any{"aud": audience, "repository": "acme/search"})
	f.Add(good)
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		if _, _, err := all.Check(t.Context(), token); err == nil && token != good {
			// An elliptic signature has a twin, which says the same.
			if strings.Split(token, ".")[1] != strings.Split(good, ".")[1] {
				t.Errorf("believed: %s", token)
			}
		}
	})
}
