package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/creack/pty"

	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// What doctor finds strange.
const (
	clockOff  = 2 * time.Minute
	pricesOld = 180 * 24 * time.Hour
)

// providers asks each provider that has a key for any answer at all. No key
// and no content is sent.
func (c *checkup) providers(ctx context.Context) {
	for _, p := range c.registry.Providers() {
		if c.settings.key(p) == "" && !p.Local && !p.Keyless {
			continue
		}
		at, err := reach(ctx, p)
		if err != nil {
			c.add("broken", "provider", fmt.Sprintf("%s at %s: %v", p.Name, withoutUser(p.BaseURL), err), reachHint(err))
			continue
		}
		c.add("ok", "provider", fmt.Sprintf("%s answers at %s", p.Name, withoutUser(p.BaseURL)), "")
		if off := c.app.now().Sub(at).Abs(); !at.IsZero() && off > clockOff {
			c.add("warning", "clock", fmt.Sprintf("%s off from %s's", off.Round(time.Second), p.Name), "set the clock: windows, expiries and reports go by it")
		}
	}
}

// reach returns the time that the answer was given at, by the provider's clock.
func reach(ctx context.Context, p policy.Provider) (at time.Time, err error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	if p.Proxy != "" {
		fixed, err := url.Parse(p.Proxy)
		if err != nil {
			return at, err
		}
		transport.Proxy = http.ProxyURL(fixed)
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, p.BaseURL, nil)
	if err != nil {
		return at, err
	}
	resp, err := client.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return at, err
	}
	defer resp.Body.Close()
	at, err = http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return time.Time{}, nil // an answer without a date is an answer
	}
	return at, nil
}

// reachHint is the next step for one kind of fault.
func reachHint(err error) string {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &dns):
		return "the name is not known here: is the network up, is HTTPS_PROXY needed?"
	case errors.As(err, &cert):
		return "a proxy may replace certificates: give its own with SSL_CERT_FILE or --ca-file"
	}
	return "is the base URL right, the network up, HTTPS_PROXY set where it is needed?"
}

// server looks at the running server, or whether one could listen.
func (c *checkup) server(ctx context.Context) {
	v := c.app.lookAtDaemon(ctx, c.settings)
	switch {
	case v.Running && v.Ready:
		c.add("ok", "server", v.text(), "")
	case v.Running:
		c.add("broken", "server", v.text(), "its log is "+logPath(c.settings.home))
	default:
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", defaultPort))
		if err != nil {
			c.add("warning", "server", fmt.Sprintf("not running, and port %d is in use by another program", defaultPort), "start it on another: aex daemon start --port "+fmt.Sprint(defaultPort+1))
			return
		}
		if err := l.Close(); err == nil {
			c.add("note", "server", fmt.Sprintf("not running; port %d is free", defaultPort), "")
		}
	}
}

// prices looks at the age of the catalogue, which its prices name.
func (c *checkup) prices() {
	if c.registry == nil {
		return
	}
	for _, probe := range []struct {
		dialect policy.Dialect
		model   string
	}{{wire.Chat.Dialect, "gpt-4o-mini"}, {wire.Messages.Dialect, "claude-haiku-4-5"}} {
		m, err := c.registry.Resolve(probe.dialect, probe.model, false)
		if err != nil {
			continue
		}
		date, ok := strings.CutPrefix(m.Price.Source, "catalogue ")
		at, err := time.Parse("2006-01-02", date)
		if !ok || err != nil {
			continue
		}
		if age := c.app.now().Sub(at); age > pricesOld {
			c.add("warning", "prices", fmt.Sprintf("of %s, %d days old", date, int(age.Hours()/24)), "aex models update")
			return
		}
		c.add("ok", "prices", "of "+date, "")
		return
	}
	c.add("note", "prices", "not of a catalogue", "")
}

// machine tells how well programs can be controlled here.
func (c *checkup) machine() {
	if master, slave, err := pty.Open(); err != nil {
		c.add("broken", "terminals", "no pseudo-terminal can be opened: "+err.Error(), "mount /dev/pts; or run with --tty never")
	} else {
		if err := errors.Join(master.Close(), slave.Close()); err == nil {
			c.add("ok", "terminals", "pseudo-terminals can be opened", "")
		}
	}
	c.sandbox()
	for _, f := range machineFindings() {
		c.add(f.Level, f.Name, f.Text, f.Hint)
	}
}
