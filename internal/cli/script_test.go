package cli

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/supervisor/adapter"
	"github.com/Auro-rium/aex/v3/supervisor/process"
)

// TestMain lets scripts run aex, the fake provider and a client as processes
// of their own, out of this test binary.
func TestMain(m *testing.M) {
	if code, ok := process.MonitorMain(os.Args); ok {
		os.Exit(code)
	}
	if code, ok := adapter.LauncherMain(os.Args); ok {
		os.Exit(code)
	}
	testscript.Main(m, map[string]func(){
		"aex": func() {
			exit := Main(os.Args[1:])
			process.ExitLike(exit.Status)
			os.Exit(exit.Code)
		},
		"fakeprovider": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			if err := fakeprovider.Command(ctx, os.Args[1:], os.Stdout); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		},
		"call":       callMain,
		"get":        getMain,
		"demo-agent": func() { os.Exit(Main(os.Args[1:]).Code) },
	})
}

// getMain asks for a URL as the environment's proxy says, and prints the answer.
func getMain() {
	resp, err := http.Get(os.Args[1])
	if err != nil {
		fmt.Println("error", err)
		os.Exit(3)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(err)
	}
	fmt.Println(resp.StatusCode, strings.TrimSpace(string(body)))
}

// callMain is a client: call [-n N] [-H NAME:VALUE] METHOD PATH [BODY] asks
// the server of AEX_URL with the token of AEX_AGENT_TOKEN, and prints status,
// x-aex-code and body. It ends with 1 when the last answer is not 200.
func callMain() {
	args := os.Args[1:]
	times, headers := 1, [][2]string{}
	for len(args) > 1 && strings.HasPrefix(args[0], "-") {
		switch args[0] {
		case "-n":
			fmt.Sscan(args[1], &times)
		case "-H":
			name, value, _ := strings.Cut(args[1], ":")
			headers = append(headers, [2]string{name, value})
		}
		args = args[2:]
	}
	body := ""
	if len(args) > 2 {
		body = args[2]
	}
	client := &http.Client{}
	if path := os.Getenv("CALL_CA"); path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			panic(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(data)
		client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	}
	status := 0
	for range times {
		req, err := http.NewRequest(args[0], os.Getenv("AEX_URL")+args[1], strings.NewReader(body))
		if err != nil {
			panic(err)
		}
		req.Header.Set("Authorization", "Bearer "+os.Getenv("AEX_AGENT_TOKEN"))
		for _, h := range headers {
			req.Header.Set(h[0], h[1])
			if strings.EqualFold(h[0], "host") {
				req.Host = h[1]
			}
		}
		resp, err := client.Do(req)
		if err != nil {
			fmt.Println("error", err)
			os.Exit(3)
		}
		data, err := io.ReadAll(resp.Body)
		if err != nil {
			fmt.Println("cut", err)
			os.Exit(3)
		}
		status = resp.StatusCode
		fmt.Println(status, resp.Header.Get("X-Aex-Code"), string(bytes.TrimSpace(data)))
	}
	if status != http.StatusOK {
		os.Exit(1)
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("AEX_UPDATE") != "",
		Condition:           scriptCondition,
		Setup:               setUpScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"provider": scriptProvider,
			"capture":  scriptCapture,
			"jsonhas":  scriptJSON,
			"await":    scriptAwait,
			"mode":     scriptMode,
			"tamper":   scriptTamper,
			"certify":  scriptCertify,
		},
	})
}

// setUpScript gives each script a home of its own and nobody's keys.
func setUpScript(env *testscript.Env) error {
	env.Setenv("HOME", env.WorkDir+"/home")
	env.Setenv("CI", "")
	env.Setenv("TERM", "dumb")
	env.Setenv("EVIL", "\x1b[31mred\x1b]0;title\a")
	catalogue, err := filepath.Abs("../../policy/prices.json")
	if err != nil {
		return err
	}
	env.Setenv("PRICES", catalogue)
	env.Setenv("TZ", "UTC")
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "AEX_") || strings.HasSuffix(name, "_API_KEY") || strings.HasSuffix(name, "_BASE_URL") {
			env.Setenv(name, "")
		}
	}
	// A daemon that a script left behind ends with it.
	env.Defer(func() {
		cmd := exec.Command("aex", "daemon", "stop")
		cmd.Env = append(os.Environ(), "HOME="+env.WorkDir+"/home", "AEX_HOME=")
		_ = cmd.Run() // mostly there is none
	})
	return os.MkdirAll(env.WorkDir+"/home", 0o700)
}

// scriptProvider starts a fake provider: provider NAME [flags]. $NAME is its URL.
func scriptProvider(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: provider NAME [flags]")
	}
	cmd := exec.Command("fakeprovider", args[1:]...)
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Kill() // it keeps nothing
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	ts.Check(err)
	ts.Setenv(args[0], strings.TrimPrefix(strings.TrimSpace(line), "listening on "))
}

// scriptCapture sets a variable: capture NAME 'regexp with a (group)', from the
// last standard output.
func scriptCapture(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: capture NAME REGEXP")
	}
	match := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(match) != 2 {
		ts.Fatalf("no match for %s", args[1])
	}
	ts.Setenv(args[0], match[1])
}

// scriptJSON looks into the last standard output: jsonhas PATH VALUE, where
// PATH is members and indexes with dots and VALUE is JSON.
func scriptJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: jsonhas PATH VALUE")
	}
	var at any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &at))
	for step := range strings.SplitSeq(args[0], ".") {
		switch in := at.(type) {
		case map[string]any:
			value, ok := in[step]
			if !ok {
				ts.Fatalf("there is no member %s", step)
			}
			at = value
		case []any:
			i := 0
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(in) {
				ts.Fatalf("there is no element %s among %d", step, len(in))
			}
			at = in[i]
		default:
			ts.Fatalf("%s is in no object", step)
		}
	}
	got, err := json.Marshal(at)
	ts.Check(err)
	if (string(got) == args[1]) == neg {
		ts.Fatalf("%s is %s", args[0], got)
	}
}

// scriptAwait runs a command until its output matches: await REGEXP COMMAND...
func scriptAwait(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: await REGEXP COMMAND...")
	}
	want := regexp.MustCompile(args[0])
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(30 * time.Second)
	for {
		_ = ts.Exec(args[1], args[2:]...) // what it printed tells
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			ts.Fatalf("%v never printed %s", args[1:], want)
		}
	}
}

// scriptMode checks a file's permissions: mode 600 FILE.
func scriptMode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s", args[1], got)
	}
}

// scriptTamper changes a ledger behind aex's back: tamper FILE SQL changes one row.
func scriptTamper(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	result, err := db.Exec(args[1])
	ts.Check(err)
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		ts.Fatalf("changed %d rows: %v", n, err)
	}
}

// scriptCertify makes cert.pem and key.pem for 127.0.0.1.
func scriptCertify(ts *testscript.TestScript, _ bool, _ []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "aex"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	ts.Check(err)
	der, err := x509.MarshalECPrivateKey(key)
	ts.Check(err)
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "EC PRIVATE KEY", Bytes: der}} {
		ts.Check(os.WriteFile(ts.MkAbs(name), pem.EncodeToMemory(block), 0o600))
	}
}
