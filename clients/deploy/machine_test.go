package deploy

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// machine is where containers of deploy/ run without an engine: their arguments and
// variables are those of the manifest, and only names of hosts and places of files
// are this machine's.
type machine struct {
	t             *testing.T
	binary        string
	server        *url.URL // as the administrator, to a database of its own
	secrets, home string
	places        *strings.Replacer
}

// newMachine has a new database with the users of deploy/users.sh.
func newMachine(t *testing.T) *machine {
	t.Helper()
	if os.Getenv("AEX") == "" || os.Getenv("AEX_TEST_POSTGRES") == "" {
		missing(t, "AEX and AEX_TEST_POSTGRES are not set")
	}
	server, err := url.Parse(os.Getenv("AEX_TEST_POSTGRES"))
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, binary: os.Getenv("AEX"), server: server, secrets: t.TempDir(), home: t.TempDir()}
	m.run("../../deploy/make-secrets", m.secrets)
	database := fmt.Sprintf("aex_%d", time.Now().UnixNano())
	for _, user := range []string{"postgres", "gate", "ops"} { // of this machine's server
		m.write(user+".pgpass", strings.Replace(m.read(user+".pgpass"), "postgres:5432:aex:", server.Hostname()+":"+server.Port()+":"+database+":", 1))
	}
	m.sql("postgres", "CREATE DATABASE "+database)
	server.Path = "/" + database
	t.Cleanup(func() {
		m.sql("postgres", "DROP DATABASE "+database+" WITH (FORCE)")
		m.sql("postgres", "DROP ROLE gate, ops")
	})
	m.sql("postgres", "DO $$ DECLARE r text; BEGIN FOREACH r IN ARRAY ARRAY['gate', 'ops', 'aex_gateway', 'aex_budget', 'aex_read', 'aex_owner'] LOOP EXECUTE 'DROP ROLE IF EXISTS ' || r; END LOOP; END $$")
	users := exec.Command("../../deploy/users.sh")
	users.Env = append(m.clientEnv(), "SECRETS="+m.secrets, "POSTGRES_DB="+database)
	if out, err := users.CombinedOutput(); err != nil {
		t.Fatalf("users.sh: %v\n%s", err, out)
	}
	m.demandPasswords()
	m.certify()
	here := "@" + server.Host + server.Path
	m.places = strings.NewReplacer("@postgres/aex", here, "@db.example.internal/aex", here, "/run/secrets/", m.secrets+"/", "/etc/aex/", m.secrets+"/",
		"/tls/", m.secrets+"/", "/ca/", m.secrets+"/", "/usr/bin/aex", m.binary)
	return m
}

func (m *machine) clientEnv() []string {
	return append(os.Environ(), "PATH="+os.Getenv("AEX_TEST_POSTGRES_BIN")+":"+os.Getenv("PATH"), "PGHOST="+m.server.Hostname(), "PGPORT="+m.server.Port(), "PGUSER=postgres")
}

func (m *machine) sql(database, text string) string {
	m.t.Helper()
	cmd := exec.Command(filepath.Join(os.Getenv("AEX_TEST_POSTGRES_BIN"), "psql"), "-v", "ON_ERROR_STOP=1", "-Atqc", text, database)
	cmd.Env = m.clientEnv()
	out, err := cmd.CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s: %v %s", text, err, out)
	}
	return strings.TrimSpace(string(out))
}

// demandPasswords has the server let gate and ops in by their passwords alone.
func (m *machine) demandPasswords() {
	m.t.Helper()
	file := m.sql("postgres", "SHOW hba_file")
	was, err := os.ReadFile(file)
	if err != nil {
		m.t.Fatal(err)
	}
	if !bytes.Contains(was, []byte("scram-sha-256 # deploy")) {
		if err := os.WriteFile(file, append([]byte("host all gate,ops 127.0.0.1/32 scram-sha-256 # deploy\n"), was...), 0); err != nil { //nolint:gosec // it is there
			m.t.Fatal(err)
		}
	}
	m.sql("postgres", "SELECT pg_reload_conf()")
}

// certify makes what Secrets have: a certificate of aex.default.svc, and what vouches for it.
func (m *machine) certify() {
	m.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		m.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "aex"}, DNSNames: []string{"aex.default.svc"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		m.t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		m.t.Fatal(err)
	}
	public := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	m.write("tls.crt", public)
	m.write("ca.crt", public)
	m.write("database-ca.pem", public)
	m.write("tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})))
}

func (m *machine) read(name string) string {
	m.t.Helper()
	b, err := os.ReadFile(filepath.Join(m.secrets, name))
	if err != nil {
		m.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func (m *machine) write(name, text string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.secrets, name), []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) run(name string, args ...string) string {
	m.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// container is one of a manifest.
type container struct {
	m    *machine
	home string
	args []string // the first is the program
	env  []string
	cmd  *exec.Cmd
	url  string // where it serves
}

// container has a manifest's arguments and variables, with the operator's token in
// its home where that is mounted.
func (m *machine) container(home string, args []string, env map[string]string, more ...string) *container {
	m.t.Helper()
	c := &container{m: m, home: filepath.Join(m.home, home)}
	if err := os.MkdirAll(c.home, 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.home, "operator.token"), []byte(m.read("operator.token")), 0o600); err != nil {
		m.t.Fatal(err)
	}
	for _, a := range args {
		c.args = append(c.args, m.places.Replace(a))
	}
	c.env = []string{"PATH=/usr/bin:/bin", "HOME=" + c.home, "AEX_HOME=" + c.home}
	for name, value := range env {
		c.env = append(c.env, name+"="+m.places.Replace(value))
	}
	c.env = append(c.env, more...)
	return c
}

// do runs it, or other arguments in its place, to its end.
func (c *container) do(args ...string) (out string, code int) {
	c.m.t.Helper()
	if args == nil {
		args = c.args
	} else {
		for i := range args {
			args[i] = c.m.places.Replace(args[i])
		}
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Dir = c.env, c.home
	b, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		c.m.t.Fatal(err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// serve starts it, and waits until it says where it serves.
func (c *container) serve() {
	t := c.m.t
	t.Helper()
	c.cmd = exec.Command(c.args[0], c.args[1:]...)
	c.cmd.Env, c.cmd.Dir = c.env, c.home
	r, err := c.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			_ = c.cmd.Process.Kill() // a test has failed before it was stopped
			_ = c.cmd.Wait()
		}
	})
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if _, after, is := strings.Cut(lines.Text(), "serving on "); is {
			c.url = strings.TrimRight(strings.Fields(after)[0], ",.;")
			go func() {
				for lines.Scan() {
				}
			}()
			return
		}
		t.Log(lines.Text())
	}
	t.Fatalf("%v does not say where it serves", c.args)
}

// stop ends it as an engine does.
func (c *container) stop() {
	c.m.t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.m.t.Error(err)
	}
	if err := c.cmd.Wait(); err != nil {
		c.m.t.Errorf("%v ends with %v", c.args, err)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
