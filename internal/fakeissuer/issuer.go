// Package fakeissuer plays a CI that vouches for its jobs by OpenID Connect.
package fakeissuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
)

// Issuer publishes keys, and signs what it is told to.
type Issuer struct {
	*httptest.Server

	mu    sync.Mutex
	keys  map[string]crypto.Signer
	Asked int    // how often for its keys
	Name  string // that it publishes; its address without one
	Down  bool
}

// New starts one with an RSA key, "rsa", and an elliptic one, "ec".
func New() *Issuer {
	i := &Issuer{keys: map[string]crypto.Signer{}}
	i.Rotate("rsa", "ec")
	i.Server = httptest.NewServer(i)
	i.Name = i.URL
	return i
}

// Rotate puts new keys in place of all, by the ids rsa... and ec....
func (i *Issuer) Rotate(ids ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	clear(i.keys)
	for _, id := range ids {
		var key crypto.Signer
		var err error
		if id[0] == 'r' {
			key, err = rsa.GenerateKey(rand.Reader, 2048)
		} else {
			key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		}
		if err != nil {
			panic(err)
		}
		i.keys[id] = key
	}
}

// Key is one of its keys.
func (i *Issuer) Key(id string) crypto.Signer {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[id]
}

// ServeHTTP answers with the discovery document, the keys, and as GitHub Actions
// does with a token for the audience that is asked for.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	down, name := i.Down, i.Name
	i.mu.Unlock()
	if down {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	reply := func(v any) { _ = json.NewEncoder(w).Encode(v) } // who is gone needs no answer
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		reply(map[string]string{"issuer": name, "jwks_uri": i.URL + "/keys"})
	case "/keys":
		i.mu.Lock()
		defer i.mu.Unlock()
		i.Asked++
		list := []map[string]string{{"kty": "oct", "kid": "other", "k": "AAAA"}}
		for id, key := range i.keys {
			list = append(list, published(id, key))
		}
		reply(map[string]any{"keys": list})
	case "/actions":
		if r.Header.Get("Authorization") != "Bearer request" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		reply(map[string]string{"value": i.Sign("rsa", map[string]any{"aud": r.URL.Query().Get("audience"), "repository": "acme/search"})})
	default:
		http.NotFound(w, r)
	}
}

func published(id string, key crypto.Signer) map[string]string {
	text := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	switch key := key.Public().(type) {
	case *rsa.PublicKey:
		return map[string]string{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": text(key.N), "e": text(big.NewInt(int64(key.E)))}
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			panic(err)
		}
		enc := base64.RawURLEncoding.EncodeToString
		return map[string]string{"kty": "EC", "crv": "P-256", "kid": id, "x": enc(point[1:33]), "y": enc(point[33:])}
	}
	panic(fmt.Sprintf("a key of %T", key))
}

// Sign is a token with the claims, good for a very long time unless they say
// otherwise. The claim "crit" goes into the header.
func (i *Issuer) Sign(id string, claims map[string]any) string {
	key := i.Key(id)
	alg := "RS256"
	if _, is := key.(*ecdsa.PrivateKey); is {
		alg = "ES256"
	}
	all := map[string]any{"iss": i.Name, "sub": "repo:acme/search:ref:refs/heads/main", "exp": 9e9, "iat": 1}
	for name, v := range claims {
		if all[name] = v; v == nil {
			delete(all, name)
		}
	}
	header := map[string]any{"alg": alg, "kid": id, "typ": "JWT"}
	if crit, has := all["crit"]; has {
		header["crit"] = crit
	}
	text := Unsigned(header, all)
	sum := sha256.Sum256([]byte(text))
	var signature []byte
	var err error
	switch key := key.(type) {
	case *rsa.PrivateKey:
		signature, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	case *ecdsa.PrivateKey:
		var r, s *big.Int
		if r, s, err = ecdsa.Sign(rand.Reader, key, sum[:]); err == nil {
			signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}
	}
	if err != nil {
		panic(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// Unsigned is the part of a token that is signed.
func Unsigned(header, claims map[string]any) string {
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(header) + "." + part(claims)
}
