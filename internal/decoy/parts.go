//go:build linux

package decoy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Attr gives a process the namespaces in which a world can be opened. Who is
// not root is it in there.
func Attr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return attr
}

// answerNames says of every name that it is everything's, until the connection
// is closed.
func answerNames(c net.PacketConn) {
	buf := make([]byte, 4096)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		if answer := nameAnswer(buf[:n]); answer != nil {
			_, _ = c.WriteTo(answer, from) // who is gone needs none
		}
	}
}

func nameAnswer(question []byte) []byte {
	var q dnsmessage.Message
	if q.Unpack(question) != nil || len(q.Questions) == 0 {
		return nil
	}
	a := dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true, RecursionDesired: true, RecursionAvailable: true}, Questions: q.Questions[:1]}
	if name := q.Questions[0]; name.Type == dnsmessage.TypeA {
		a.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: name.Name, Class: dnsmessage.ClassINET, TTL: 60},
			Body:   &dnsmessage.AResource{A: [4]byte(net.ParseIP(everything).To4())},
		}}
	}
	answer, err := a.Pack()
	if err != nil {
		return nil
	}
	return answer
}

// issuer makes a certificate for every name that is asked for.
type issuer struct {
	key  *ecdsa.PrivateKey
	root *x509.Certificate

	mu    sync.Mutex
	known map[string]*tls.Certificate
}

// newIssuer writes its own certificate, and those of the system, to path.
func newIssuer(path string) (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	i := &issuer{key: key, known: map[string]*tls.Certificate{}}
	i.root = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "decoy"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, i.root, i.root, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	if i.root, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	all := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if system, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt"); err == nil {
		all = append(all, system...)
	}
	return i, os.WriteFile(path, all, 0o644) // #nosec G306 -- everybody reads it
}

func (i *issuer) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	name := hello.ServerName
	if c := i.known[name]; c != nil {
		return c, nil
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(i.known)) + 2), Subject: pkix.Name{CommonName: "decoy"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: i.root.NotBefore, NotAfter: i.root.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature, IPAddresses: []net.IP{net.ParseIP(everything)},
	}
	if name != "" {
		leaf.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, i.root, &i.key.PublicKey, i.key)
	if err != nil {
		return nil, err
	}
	i.known[name] = &tls.Certificate{Certificate: [][]byte{der, i.root.Raw}, PrivateKey: i.key}
	return i.known[name], nil
}

// tunnel is a proxy that leads every host to one handler.
type tunnel struct {
	secure *tls.Config
	to     http.Handler
}

func (t tunnel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		t.to.ServeHTTP(w, r)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if _, err := fmt.Fprint(conn, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		_ = conn.Close() // the client is gone
		return
	}
	one := &oneConn{conn: tls.Server(conn, t.secure), done: make(chan struct{})}
	server := &http.Server{Handler: t.to, ConnState: one.state} // #nosec G112 -- nobody else can reach it
	_ = server.Serve(one)                                       // until the connection ends
}

// oneConn is a listener to which one connection comes.
type oneConn struct {
	conn net.Conn
	once sync.Once
	over sync.Once
	done chan struct{}
}

func (o *oneConn) Accept() (conn net.Conn, err error) {
	o.once.Do(func() { conn = o.conn })
	if conn != nil {
		return conn, nil
	}
	<-o.done
	return nil, net.ErrClosed
}

func (o *oneConn) state(_ net.Conn, s http.ConnState) {
	if s == http.StateClosed || s == http.StateHijacked {
		o.over.Do(func() { close(o.done) })
	}
}

func (o *oneConn) Close() error   { return nil }
func (o *oneConn) Addr() net.Addr { return o.conn.LocalAddr() }
