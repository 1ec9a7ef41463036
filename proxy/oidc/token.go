// Package oidc checks the tokens by which a CI vouches for its jobs, and says which agent a
// job's runs belong to.
package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Bounds of a token.
const (
	maxToken = 16 << 10
	skew     = time.Minute // that clocks may differ by
)

// ErrRefused reports a token that is not what its caller says.
var ErrRefused = errors.New("the token is refused")

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// token is a token that has been parsed, but not yet verified.
type token struct {
	alg, kid  string
	claims    Claims
	signed    []byte
	signature []byte
}

// parse parses a token.
func parse(text string) (token, error) {
	parts := strings.Split(text, ".")
	if len(text) > maxToken || len(parts) != 3 {
		return token{}, refused("it is no JSON Web Token")
	}
	var raw [3][]byte
	for i, part := range parts {
		var err error
		if raw[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return token{}, refused("it is no JSON Web Token")
		}
	}
	// Into maps: struct fields would match names of another case, too.
	var header map[string]json.RawMessage
	t := token{signed: []byte(parts[0] + "." + parts[1]), signature: raw[2]}
	if json.Unmarshal(raw[0], &header) != nil || json.Unmarshal(raw[1], &t.claims) != nil {
		return token{}, refused("it is no JSON Web Token")
	}
	if _, has := header["crit"]; has {
		return token{}, refused("its header has what is not known here")
	}
	_ = json.Unmarshal(header["alg"], &t.alg) // what is no text is no algorithm
	_ = json.Unmarshal(header["kid"], &t.kid)
	return t, nil
}

// verify tells whether a key signed the token. The key says which algorithms it
// is for: what the token says of itself chooses nothing else.
func (t token) verify(key crypto.PublicKey) bool {
	sum := sha256.Sum256(t.signed)
	switch key := key.(type) {
	case *rsa.PublicKey:
		return t.alg == "RS256" && rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], t.signature) == nil
	case *ecdsa.PublicKey:
		if t.alg != "ES256" || len(t.signature) != 64 {
			return false
		}
		return ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(t.signature[:32]), new(big.Int).SetBytes(t.signature[32:]))
	}
	return false
}

// Claims are what a token says.
type Claims map[string]any

// Text is a claim as text; "" for one that is not there or is no single value.
func (c Claims) Text(name string) string {
	switch v := c[name].(type) {
	case string:
		return v
	case bool:
		return fmt.Sprint(v)
	case float64:
		if v == float64(int64(v)) {
			return fmt.Sprint(int64(v))
		}
	}
	return ""
}

// has tells whether a claim is a value, or a list that holds it.
func (c Claims) has(name, value string) bool {
	if list, is := c[name].([]any); is {
		for _, v := range list {
			if v == value {
				return true
			}
		}
		return false
	}
	return value != "" && c.Text(name) == value
}

// time is a moment that a claim tells.
func (c Claims) time(name string) (time.Time, bool) {
	seconds, is := c[name].(float64)
	if !is || seconds < 0 || seconds > 1e11 {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// current checks when a token is good.
func (c Claims) current(now time.Time) error {
	switch expires, has := c.time("exp"); {
	case !has:
		return refused("it has no end (exp)")
	case !now.Before(expires.Add(skew)):
		return refused("it expired at %s", expires.UTC().Format(time.RFC3339))
	}
	for _, name := range []string{"nbf", "iat"} {
		_, given := c[name]
		at, has := c.time(name)
		if given && (!has || now.Before(at.Add(-skew))) {
			return refused("it is not good yet (%s); is a clock wrong?", name)
		}
	}
	return nil
}
