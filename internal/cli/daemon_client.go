package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/internal/whole"
)

// errNoServer means that no server of this home answers.
var errNoServer = errors.New("no aex server is running")

// client talks to the server; it trusts the server's own certificate.
func (v daemonView) client(timeout time.Duration) (*http.Client, error) {
	t := &http.Transport{Proxy: nil}
	if v.CAFile != "" {
		pem, err := whole.ReadFile(v.CAFile, maxNamed)
		if err != nil {
			return nil, fmt.Errorf("reading the server's certificate: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", v.CAFile)
		}
		cert, err := firstCertificate(pem)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, ServerName: serverName(cert)}
	}
	return &http.Client{Transport: t, Timeout: timeout}, nil
}

func operatorTokenPath(home string) string { return filepath.Join(home, "operator.token") }

// operatorToken reads the operator's token.
func operatorToken(home string) (string, error) {
	b, err := whole.ReadFile(operatorTokenPath(home), maxOwn)
	if err != nil {
		return "", hinted(fmt.Errorf("reading the operator's token: %w", err), "aex serve and aex daemon start make it")
	}
	return strings.TrimSpace(string(b)), nil
}

// ask sends the operator's request to the running server and decodes the answer.
func (a *app) ask(ctx context.Context, method, path string, answer any) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	v := a.lookAtDaemon(ctx, s)
	if !v.Running || v.URL == "" {
		return hinted(errNoServer, "start it with: aex daemon start")
	}
	token, err := operatorToken(s.home)
	if err != nil {
		return err
	}
	client, err := v.client(30 * time.Second)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, v.URL+path, bytes.NewReader(nil))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		return hinted(fmt.Errorf("asking the server: %w", err), "look at it with: aex daemon status")
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var problem struct {
			Detail string `json:"detail"`
		}
		if json.Unmarshal(body, &problem) != nil || problem.Detail == "" {
			problem.Detail = http.StatusText(resp.StatusCode)
		}
		return hinted(fmt.Errorf("the server answered %d: %s", resp.StatusCode, problem.Detail), "its log is %s", v.Log)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	return nil
}

// serverName is a name that the certificate is good for.
func serverName(c *x509.Certificate) string {
	switch {
	case len(c.DNSNames) > 0:
		return strings.Replace(c.DNSNames[0], "*", "aex", 1)
	case len(c.IPAddresses) > 0:
		return c.IPAddresses[0].String()
	}
	return ""
}
