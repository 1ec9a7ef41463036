package oidc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Bounds of what is read from an issuer, and when it is asked.
const (
	maxDocument = 1 << 20
	maxKeys     = 64
	patience    = 10 * time.Second
	keysFresh   = time.Hour   // afterwards a key that was withdrawn is asked about
	betweenAsks = time.Minute // for a key that is not known
	keysGood    = 24 * time.Hour
)

// keys are an issuer's, as it published them last.
type keys struct {
	issuer string
	client *http.Client
	now    func() time.Time
	turn   chan struct{} // whoever has it may ask the issuer

	mu    sync.Mutex
	byID  map[string]crypto.PublicKey
	read  time.Time // zero: never
	asked time.Time
	fault error // of the last ask; only for whoever has the turn
}

func newKeys(issuer string, roots http.RoundTripper, now func() time.Time) *keys {
	k := &keys{issuer: issuer, now: now, turn: make(chan struct{}, 1)}
	k.client = &http.Client{Transport: roots, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("it redirects")
	}}
	return k
}

// find is the key of an id. It asks the issuer where the key is not known or was read long
// ago, but not more often than once a minute, whatever tokens come.
func (k *keys) find(ctx context.Context, id string) (crypto.PublicKey, error) {
	if key, fresh := k.known(id); fresh {
		return key, nil
	}
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	key, fresh := k.known(id)
	if !fresh && k.due() {
		k.fault = k.renew(context.WithoutCancel(ctx)) // others wait for it, whether or not this client does
		key, _ = k.known(id)
	}
	switch {
	case key != nil:
		return key, nil
	case k.fault != nil:
		return nil, fmt.Errorf("asking %s for its keys: %w", k.issuer, k.fault)
	}
	return nil, refused("%s has no such key", k.issuer)
}

// known is a key that the issuer had when it was last asked. A key that was read long ago is
// good only while the issuer does not answer, and for a day at most.
func (k *keys) known(id string) (key crypto.PublicKey, fresh bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	age := k.now().Sub(k.read)
	if age >= keysGood {
		return nil, false
	}
	key = k.byID[id]
	return key, key != nil && age < keysFresh
}

// due tells whether the issuer may be asked, and notes that it is.
func (k *keys) due() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.asked.IsZero() && k.now().Sub(k.asked) < betweenAsks {
		return false
	}
	k.asked = k.now()
	return true
}

func (k *keys) renew(ctx context.Context) error {
	fresh, err := k.fetch(ctx)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.byID, k.read = fresh, k.now()
	return nil
}

// fetch reads the issuer's keys.
func (k *keys) fetch(ctx context.Context) (map[string]crypto.PublicKey, error) {
	var discovered struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := k.get(ctx, strings.TrimSuffix(k.issuer, "/")+"/.well-known/openid-configuration", &discovered); err != nil {
		return nil, err
	}
	if discovered.Issuer != k.issuer {
		return nil, fmt.Errorf("what is published there is of the issuer %.100q", discovered.Issuer)
	}
	if err := CheckURL(discovered.Keys); err != nil {
		return nil, err
	}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := k.get(ctx, discovered.Keys, &set); err != nil {
		return nil, err
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("%d keys, more than %d", len(set.Keys), maxKeys)
	}
	byID := make(map[string]crypto.PublicKey)
	for _, one := range set.Keys {
		if key, err := one.public(); err == nil && one.ID != "" && (one.Use == "" || one.Use == "sig") {
			byID[one.ID] = key
		}
	}
	return byID, nil
}

func (k *keys) get(ctx context.Context, address string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s answers %s", address, resp.Status)
	case len(body) > maxDocument:
		return fmt.Errorf("%s answers more than %d bytes", address, maxDocument)
	}
	return json.Unmarshal(body, v)
}

// CheckURL refuses what anybody on the way could answer for.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	if err == nil && u.Host != "" && u.User == nil {
		ip := net.ParseIP(u.Hostname())
		if u.Scheme == "https" || u.Scheme == "http" && (ip != nil && ip.IsLoopback() || u.Hostname() == "localhost") {
			return nil
		}
	}
	return fmt.Errorf("%.200q is not an address that begins with https://", text)
}

// jwk is a published key.
type jwk struct {
	Type  string `json:"kty"`
	ID    string `json:"kid"`
	Use   string `json:"use"`
	N     string `json:"n"`
	E     string `json:"e"`
	Curve string `json:"crv"`
	X     string `json:"x"`
	Y     string `json:"y"`
}

var errKey = errors.New("not a key that is used here")

// public is the key itself, for the kinds of keys that are used.
func (j jwk) public() (crypto.PublicKey, error) {
	switch {
	case j.Type == "RSA":
		n, e := number(j.N), number(j.E)
		if n == nil || e == nil || n.BitLen() < 2048 || n.BitLen() > 8192 || e.BitLen() > 31 || e.Cmp(big.NewInt(3)) < 0 || e.Bit(0) == 0 {
			return nil, errKey
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
	case j.Type == "EC" && j.Curve == "P-256":
		x, y := number(j.X), number(j.Y)
		if x == nil || y == nil || x.BitLen() > 256 || y.BitLen() > 256 {
			return nil, errKey
		}
		point := make([]byte, 65)
		point[0] = 4
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append(point[:1], x.FillBytes(make([]byte, 32))...), y.FillBytes(make([]byte, 32))...))
	}
	return nil, errKey
}

func number(text string) *big.Int {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) == 0 {
		return nil
	}
	return new(big.Int).SetBytes(b)
}
