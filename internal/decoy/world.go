//go:build linux

// Package decoy is a world of its own, in a network namespace: every name leads
// to one listener, which says that there is nothing and notes who asked for
// what. What the gateway forwards goes to a stand-in for the providers by
// another way, a proxy, so that whatever the listener notes has gone past it.
package decoy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// Where things are in the world.
const (
	everything = "203.0.113.1"    // what every name leads to; of nobody, by RFC 5737
	resolver   = "127.0.0.53:53"  // who says so
	proxy      = "127.0.0.1:8118" // the way to the stand-in
)

// Proxy is the URL of the way to the stand-in.
const Proxy = "http://" + proxy

// maxNoted bounds what is kept of a request's body.
const maxNoted = 1 << 20

// Asked is a request that came to the listener.
type Asked struct {
	Host   string      `json:"host"`
	Method string      `json:"method"`
	Path   string      `json:"path"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"body,omitempty"`
}

// World is the listener and what belongs to it. It is opened in a process with
// namespaces of its own, see Attr.
type World struct {
	CA string // a file with the authorities that programs are to trust

	issuer *issuer
	ours   []io.Closer
	served sync.WaitGroup

	mu    sync.Mutex
	asked []Asked
}

// Open makes the world. dir is for its files; providers answers what comes by
// the proxy.
func Open(ctx context.Context, dir string, providers http.Handler) (w *World, err error) {
	w = &World{CA: filepath.Join(dir, "authorities.pem")}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	if err := errors.Join(address("lo", "127.0.0.1"), address("lo:0", everything), resolveThere(dir)); err != nil {
		return w, fmt.Errorf("making a network of its own: %w", err)
	}
	if w.issuer, err = newIssuer(w.CA); err != nil {
		return w, err
	}
	listening := net.ListenConfig{}
	names, err := listening.ListenPacket(ctx, "udp", resolver)
	if err != nil {
		return w, fmt.Errorf("listening for names: %w", err)
	}
	w.ours = append(w.ours, names)
	w.served.Go(func() { answerNames(names) })
	secure := &tls.Config{GetCertificate: w.issuer.certificate, MinVersion: tls.VersionTLS12}
	for at, handler := range map[string]http.Handler{
		everything + ":443": http.HandlerFunc(w.note), everything + ":80": http.HandlerFunc(w.note), proxy: tunnel{secure, providers},
	} {
		l, err := listening.Listen(ctx, "tcp", at)
		if err != nil {
			return w, fmt.Errorf("listening: %w", err)
		}
		if at == everything+":443" {
			l = tls.NewListener(l, secure)
		}
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 0} // #nosec G112 -- nobody else can reach it
		w.ours = append(w.ours, server)
		w.served.Go(func() { _ = server.Serve(l) }) // until it is closed
	}
	return w, nil
}

// note keeps a request, and says that there is nothing.
func (w *World) note(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxNoted)) // what could be read counts
	w.mu.Lock()
	w.asked = append(w.asked, Asked{Host: r.Host, Method: r.Method, Path: r.URL.RequestURI(), Header: r.Header, Body: body})
	w.mu.Unlock()
	http.Error(rw, `{"error":"there is nothing here"}`, http.StatusNotFound)
}

// Asked is what came to the listener so far.
func (w *World) Asked() []Asked {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Asked(nil), w.asked...)
}

// Close ends the world's servers.
func (w *World) Close() (err error) {
	for _, c := range w.ours {
		err = errors.Join(err, c.Close())
	}
	w.served.Wait()
	return err
}

// address gives an interface an address, and brings it up.
func address(name, ip string) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(s)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := req.SetInet4Addr(net.ParseIP(ip).To4()); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(s, unix.SIOCSIFADDR, req); err != nil {
		return os.NewSyscallError("ioctl", err)
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return os.NewSyscallError("ioctl", unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, req))
}

// resolveThere makes the world's resolver that of every program in it.
func resolveThere(dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	conf := filepath.Join(dir, "resolv.conf")
	if err := os.WriteFile(conf, []byte("nameserver 127.0.0.53\noptions timeout:1 attempts:1\n"), 0o644); err != nil { // #nosec G306 -- everybody reads it
		return err
	}
	own, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil {
		return err
	}
	return os.NewSyscallError("mount", unix.Mount(conf, own, "", unix.MS_BIND, ""))
}
