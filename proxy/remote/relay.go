package remote

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/Auro-rium/aex/v3/proxy"
)

// Relay is the gateway that a remote run's program sees, on loopback: it sends
// each call to the gateway that has the run.
type Relay struct {
	Gateways *Gateways
	Token    string       // the program's; of use here alone
	Outside  http.Handler // the way out of a sandbox; nil: there is none

	inner   innerTokens
	refused atomic.Int64
}

// Refused is how many requests came with no token of this run: the gateway
// never heard of them.
func (r *Relay) Refused() int64 { return r.refused.Load() }

// ServeHTTP relays a call. A call that was not sent yet waits for a gateway. One that was
// sent is cut when its gateway is lost, and is never sent again, because it may be billed.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r.Outside != nil && proxy.ForOutside(req) {
		r.Outside.ServeHTTP(w, req)
		return
	}
	token, known := r.tokenFor(req)
	switch {
	case !proxy.NewHosts(nil).Ours(req.Host):
		proxy.Refuse(w, req, "host_refused", "requests for this host are refused")
		return
	case req.Header.Get("Origin") != "" || req.Header.Get("Sec-Fetch-Mode") == "no-cors":
		proxy.Refuse(w, req, "origin_refused", "requests from web pages are refused")
		return
	case !known: // it may be a provider's key
		r.refused.Add(1)
		proxy.Refuse(w, req, "invalid_token", "the token is not this run's, so it is not sent on; is a key of the provider set instead of the run's token?")
		return
	case r.itself(req.URL.Path):
		proxy.Refuse(w, req, "run_not_found", "a program does not end its own run")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, proxy.MaxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		proxy.Refuse(w, req, "request_too_large", "the request is larger than 64 MiB")
		return
	case err != nil:
		panic(http.ErrAbortHandler) // the program left in the middle
	}
	r.relay(w, req, body, token)
}

// tokenFor is the token that a request is sent on with: the run's in place of the program's;
// that of a run inside this one unchanged; for a greeting none.
func (r *Relay) tokenFor(req *http.Request) (token string, known bool) {
	given := proxy.Token(req)
	switch {
	case given == "":
		return "", req.Method == http.MethodHead
	case subtle.ConstantTimeCompare([]byte(given), []byte(r.Token)) == 1:
		return r.Gateways.secret, true
	}
	return given, r.inner.has(given)
}

// itself tells whether a path is about the run itself: only the supervisor asks for its
// state, and ends it.
func (r *Relay) itself(path string) bool {
	return strings.Contains(path, "/aex/runs/"+string(r.Gateways.id()))
}

func (r *Relay) relay(w http.ResponseWriter, req *http.Request, body []byte, token string) {
	for tries := 1; ; tries++ {
		at, err := r.Gateways.ready(req.Context())
		if err != nil {
			if req.Context().Err() == nil {
				proxy.Refuse(w, req, "shutting_down", err.Error())
			}
			return
		}
		if r.relayTo(at, w, req, body, token, tries < maxTries) {
			return
		}
	}
}

// relayTo brings a call to one gateway. Where it reports that the call is not over, the call
// was not sent and may go to another one.
func (r *Relay) relayTo(at place, w http.ResponseWriter, req *http.Request, body []byte, token string, again bool) (end bool) {
	ctx, cut := context.WithCancel(req.Context())
	defer cut()
	defer context.AfterFunc(at.left, cut)()
	resp, sent, err := r.send(req.WithContext(ctx), at, body, token)
	switch {
	case req.Context().Err() != nil:
		panic(http.ErrAbortHandler)
	case err != nil && sent:
		r.Gateways.lose(at, true)
		panic(http.ErrAbortHandler)
	case err != nil || token != "" && again && moved(resp):
		if resp != nil {
			_ = resp.Body.Close() // a refusal
		}
		r.Gateways.lose(at, err != nil)
		return false
	case between(resp):
		r.Gateways.lose(at, true) // the program hears it: nobody knows whether the call was sent
		err = pass(w, resp)
	case opens(req) && resp.StatusCode == http.StatusOK:
		err = r.passOpened(w, resp)
	default:
		err = pass(w, resp)
	}
	if err != nil && req.Context().Err() == nil {
		r.Gateways.lose(at, true)
		panic(http.ErrAbortHandler)
	}
	return true
}

// maxTries is how many gateways one call is brought to. The program gets the answer of the
// last one.
const maxTries = 8

// moved tells whether a gateway says that it does not have the run any more: it
// sent nothing on.
func moved(resp *http.Response) bool {
	code := resp.Header.Get("X-Aex-Code")
	return code == "invalid_token" || code == "shutting_down"
}

// between tells whether an answer is that of a proxy on the way that did not reach the
// gateway, or lost it.
func between(resp *http.Response) bool {
	return resp.StatusCode >= http.StatusBadGateway && resp.StatusCode <= http.StatusGatewayTimeout &&
		resp.Header.Get("X-Aex-Code") == "" && resp.Header.Get("X-Aex-Call") == ""
}

// send sends the call to a gateway. sent tells whether the gateway may have got it.
func (r *Relay) send(req *http.Request, at place, body []byte, token string) (resp *http.Response, sent bool, err error) {
	to, err := url.Parse(at.base)
	if err != nil {
		return nil, false, err
	}
	to.Path, to.RawPath, to.RawQuery = req.URL.Path, req.URL.RawPath, req.URL.RawQuery
	var wrote atomic.Bool
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }})
	out, err := http.NewRequestWithContext(ctx, req.Method, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, false, err
	}
	out.GetBody = nil // otherwise the transport might send it again by itself
	out.Header = req.Header.Clone()
	for _, name := range []string{"Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Authorization", "Proxy-Connection"} {
		out.Header.Del(name)
	}
	authorize(out, token)
	resp, err = at.client.Do(out)
	return resp, wrote.Load(), err
}

// authorize leaves one token in a request, of all places where SDKs put one.
func authorize(out *http.Request, token string) {
	for _, name := range []string{"Authorization", "X-Api-Key", "X-Goog-Api-Key", "Api-Key", "Cookie"} {
		out.Header.Del(name)
	}
	query := out.URL.Query()
	if query.Has("key") {
		query.Del("key")
		out.URL.RawQuery = query.Encode()
	}
	if token != "" {
		out.Header.Set("Authorization", "Bearer "+token)
	}
}

// pass gives the answer to the program as it comes. It returns an error if the gateway broke
// off.
func pass(w http.ResponseWriter, resp *http.Response) error {
	defer resp.Body.Close()
	for name, values := range resp.Header {
		if name != "Connection" && name != "Keep-Alive" && name != "Transfer-Encoding" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(resp.StatusCode)
	flush := http.NewResponseController(w).Flush
	if err := flush(); err != nil {
		return nil // the program left
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return nil
			}
			if flush() != nil {
				return nil
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}
