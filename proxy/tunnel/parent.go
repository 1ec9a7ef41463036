package tunnel

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// dialThrough asks the proxy at parent for a connection.
func dialThrough(ctx context.Context, parent *url.URL, to target) (net.Conn, error) {
	port := parent.Port()
	if port == "" {
		port = map[string]string{"https": "443"}[parent.Scheme]
	}
	if port == "" {
		port = "80"
	}
	var d net.Dialer
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(parent.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("reaching the proxy %s: %w", parent.Host, err)
	}
	if parent.Scheme == "https" {
		conn = tls.Client(conn, &tls.Config{ServerName: parent.Hostname()})
	}
	done := context.AfterFunc(ctx, func() { conn.Close() })
	defer done()
	ask := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: to.String()}, Host: to.String(), Header: http.Header{}}
	if u := parent.User; u != nil {
		password, _ := u.Password()
		ask.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)))
	}
	if err := ask.Write(conn); err != nil {
		conn.Close()
		return nil, fmt.Errorf("asking the proxy %s: %w", parent.Host, err)
	}
	r := bufio.NewReader(conn)
	answer, err := http.ReadResponse(r, ask)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("asking the proxy %s: %w", parent.Host, err)
	}
	if answer.StatusCode != http.StatusOK {
		conn.Close()
		return nil, fmt.Errorf("the proxy %s refuses %s: %s", parent.Host, to, strings.TrimSpace(answer.Status))
	}
	return &replayed{Conn: conn, first: r}, nil
}
