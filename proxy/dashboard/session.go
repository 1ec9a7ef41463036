package dashboard

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	sessionCookie = "aex_session"
	sessionLife   = 12 * time.Hour
	linkLife      = 5 * time.Minute
	sessionsMax   = 64 // the oldest ones end when there are more
)

// session is one browser that is let in, or one request with the token.
type session struct {
	CSRF   string // in every form; tells our pages from others'
	ByHand bool   // the request showed the token itself, which no other page can
	ends   time.Time
}

// sessions are the browsers that are let in and the links that let one in.
// Only hashes are kept.
type sessions struct {
	now   func() time.Time
	mu    sync.Mutex
	open  map[[32]byte]*session
	links map[[32]byte]time.Time // when they end
}

// link makes a secret that opens one session.
func (s *sessions) link() string {
	secret := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.links == nil {
		s.links = map[[32]byte]time.Time{}
	}
	for k, ends := range s.links {
		if s.now().After(ends) || len(s.links) >= sessionsMax {
			delete(s.links, k)
		}
	}
	s.links[sha256.Sum256([]byte(secret))] = s.now().Add(linkLife)
	return secret
}

// redeem ends a link, and tells whether it was one.
func (s *sessions) redeem(secret string) bool {
	key := sha256.Sum256([]byte(secret))
	s.mu.Lock()
	defer s.mu.Unlock()
	ends, ok := s.links[key]
	delete(s.links, key)
	return ok && !s.now().After(ends)
}

// begin opens a session and returns its cookie's value.
func (s *sessions) begin() string {
	secret := rand.Text() + rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[[32]byte]*session{}
	}
	var oldest [32]byte
	var first time.Time
	for k, one := range s.open {
		if s.now().After(one.ends) {
			delete(s.open, k)
		} else if first.IsZero() || one.ends.Before(first) {
			oldest, first = k, one.ends
		}
	}
	if len(s.open) >= sessionsMax {
		delete(s.open, oldest)
	}
	s.open[sha256.Sum256([]byte(secret))] = &session{CSRF: csrf(secret), ends: s.now().Add(sessionLife)}
	return secret
}

func csrf(secret string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte("aex form"))
	return hex.EncodeToString(m.Sum(nil))
}

func (s *sessions) find(secret string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.open[sha256.Sum256([]byte(secret))]
	if one == nil || s.now().After(one.ends) {
		return nil
	}
	return one
}

func (s *sessions) End(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, sha256.Sum256([]byte(secret)))
}

// operator finds the session of a request; nil when it has none.
func (d *Dashboard) operator(r *http.Request) *session {
	if kind, value, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(kind, "bearer") {
		if d.isToken(strings.TrimSpace(value)) {
			return &session{CSRF: csrf(d.o.Token), ByHand: true}
		}
		return nil
	}
	if c, err := r.Cookie(sessionCookie); err == nil {
		return d.sessions.find(c.Value)
	}
	return nil
}

func (d *Dashboard) isToken(token string) bool {
	want, got := sha256.Sum256([]byte(d.o.Token)), sha256.Sum256([]byte(token))
	return hmac.Equal(want[:], got[:])
}

// mayPost tells our own pages from others'. A request with the token in its
// header is nobody else's: browsers do not add it.
func (s *session) mayPost(r *http.Request) bool {
	if s.ByHand {
		return sameOrigin(r)
	}
	return sameOrigin(r) && hmac.Equal([]byte(r.PostFormValue("csrf")), []byte(s.CSRF))
}

// sameOrigin tells whether a page of ours sent the request, or no page at all.
func sameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && u.Host == r.Host
}

// Link makes a path that lets one browser in, once, within five minutes.
func (d *Dashboard) Link() string {
	return "/dashboard/login?code=" + url.QueryEscape(d.sessions.link())
}

// serveLink gives a link to whoever shows the operator's token itself.
func (d *Dashboard) serveLink(w http.ResponseWriter, r *http.Request) {
	if s := d.operator(r); s == nil || !s.ByHand || !sameOrigin(r) {
		http.Error(w, `{"detail":"the operator's token is needed"}`, http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"path": d.Link()}) // a client that is gone needs no link
}

// enter redeems a link.
func (d *Dashboard) enter(w http.ResponseWriter, r *http.Request) {
	code := r.URL.Query().Get("code")
	if code == "" {
		d.turnAway(w, r, "")
		return
	}
	if !d.sessions.redeem(code) {
		d.turnAway(w, r, "This link was used before, or is older than five minutes.")
		return
	}
	d.admit(w, r)
}

// enterByToken lets in who types the token, for servers on other hosts.
func (d *Dashboard) enterByToken(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if !sameOrigin(r) || !d.isToken(strings.TrimSpace(r.PostFormValue("token"))) {
		d.turnAway(w, r, "That is not the operator's token.")
		return
	}
	d.admit(w, r)
}

// admit begins a session. The page leads on by itself rather than by a
// redirect, because a browser that came from elsewhere would not send a strict
// cookie along with that.
func (d *Dashboard) admit(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: d.sessions.begin(), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil, MaxAge: int(sessionLife.Seconds()),
	})
	d.render(w, http.StatusOK, "entered.html", &page{Title: "Welcome"})
}

func (d *Dashboard) leave(w http.ResponseWriter, r *http.Request, _ *session) error {
	if c, err := r.Cookie(sessionCookie); err == nil {
		d.sessions.End(c.Value)
	}
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/dashboard", http.StatusSeeOther)
	return nil
}
