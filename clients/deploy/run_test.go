package deploy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// provider is a fake one, and the base URL that leads to it.
func (m *machine) provider() string {
	m.t.Helper()
	cmd := exec.Command(m.binary, "fake-provider")
	out, err := cmd.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }) // it keeps nothing
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		m.t.Fatal(err)
	}
	return strings.TrimPrefix(strings.TrimSpace(line), "listening on ") + "/v1"
}

// get asks as a probe or Prometheus does, by the name that it knows the gateway by.
func get(t *testing.T, address, host, token string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Accept", "text/plain;version=0.0.4")
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // as a kubelet
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

var token = regexp.MustCompile(`[0-9a-f]{32}`)

// aRun is what somebody does with the gateways: a program makes a call under `aex run`.
func (m *machine) aRun(args []string, env map[string]string) {
	t := m.t
	t.Helper()
	c := m.container("runner"+freePort(t), args, env)
	if err := os.WriteFile(filepath.Join(c.home, "bot.py"), []byte(bot), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := c.do(); code != 0 || !strings.Contains(out, "200") {
		t.Errorf("%v: exit %d\n%s", args, code, out)
	}
}

const bot = `import json, os, urllib.request
base, key = os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]
body = {"model": "gpt-4o-mini", "max_tokens": 16, "messages": [{"role": "user", "content": "hi"}]}
request = urllib.request.Request(base + "/chat/completions", json.dumps(body).encode(), {"Authorization": "Bearer " + key, "Content-Type": "application/json"})
print(urllib.request.urlopen(request).status)
`

// TestComposeRuns: every container that runs aex, by its own arguments and
// variables; its health check; what Prometheus asks; and what the file's first
// lines tell to do.
func TestComposeRuns(t *testing.T) {
	m := newMachine(t)
	p, made := composed(t), map[string]*container{}
	upstream := m.provider()
	for _, s := range ours(p) {
		env := map[string]string{}
		for name, value := range s.Environment {
			if value != nil {
				env[name] = *value
			}
		}
		if _, keyed := s.Environment["OPENAI_API_KEY"]; keyed {
			env["OPENAI_BASE_URL"] = upstream
		}
		made[s.Name] = m.container(s.Name, slices.Concat([]string{"/usr/bin/aex"}, s.Command), env, "AEX_PORT="+freePort(t))
	}
	for range 2 { // the second time as at every later start
		if out, code := made["ledger"].do(); code != 0 {
			t.Fatalf("exit %d\n%s", code, out)
		}
	}
	for _, name := range []string{"gate1", "gate2"} {
		made[name].serve()
		test := p.Services[name].HealthCheck.Test
		if out, code := made[name].do(slices.Clone(test[1:])...); test[0] != "CMD" || code != 0 {
			t.Errorf("%s: %v: exit %d\n%s", name, test, code, out)
		}
	}
	m.scraped(made)
	ops := func(args ...string) string {
		out, code := made["ops"].do(append([]string{m.binary}, args...)...)
		if code != 0 {
			t.Fatalf("%v: exit %d\n%s", args, code, out)
		}
		return out
	}
	ops(p.Services["ops"].Command...)
	ops("agent", "create", "ci", "200.00", "none")
	runs := token.FindString(ops("agent", "token", "ci", "--scope", "runs", "--max-run", "2.00"))
	m.aRun([]string{m.binary, "run", "--budget", "2", "--", "python3", "bot.py"}, map[string]string{"AEX_GATEWAY": made["gate1"].url + "," + made["gate2"].url, "AEX_TOKEN": runs})
	if !strings.Contains(ops("events", "-n", "0"), "usage.commit") {
		t.Error("the call is not booked")
	}
	ops("audit")
	for _, name := range []string{"gate1", "gate2"} {
		made[name].stop()
	}
	ops("audit")
}

// scraped asks for what Prometheus is configured to ask for.
func (m *machine) scraped(made map[string]*container) {
	t := m.t
	t.Helper()
	var config struct {
		Scrapes []struct {
			Authorization struct {
				File string `json:"credentials_file"`
			} `json:"authorization"`
			Static []struct{ Targets []string } `json:"static_configs"`
		} `json:"scrape_configs"`
	}
	b, err := os.ReadFile("../../deploy/prometheus.yml")
	if err == nil {
		err = yaml.Unmarshal(b, &config)
	}
	if err != nil || len(config.Scrapes) != 1 {
		t.Fatal(err, config)
	}
	secret := strings.TrimPrefix(config.Scrapes[0].Authorization.File, "/run/secrets/")
	for _, target := range config.Scrapes[0].Static[0].Targets {
		name, port, _ := strings.Cut(target, ":")
		if status, body := get(t, made[name].url+"/metrics", target, m.read(secret)); status != 200 || port != "9000" || !strings.Contains(body, "aex_agents") {
			t.Errorf("%s: %d %s", target, status, body)
		}
	}
}

// TestKubernetesRuns: the gateway of the Deployment, with its probes as a kubelet
// makes them; the Job at it; and the sidecar with what its program calls.
func TestKubernetesRuns(t *testing.T) {
	m, c := newMachine(t), manifests(t)
	m.write("PGPASSWORD", m.read("gate.password"))
	upstream := m.provider()
	if out, code := m.container("admin", []string{m.binary, "ledger", "init-postgres"}, map[string]string{"AEX_LEDGER": "postgres://postgres@postgres/aex"}).do(); code != 0 {
		t.Fatal(out)
	}
	ops := m.container("ops", nil, map[string]string{"AEX_LEDGER": "postgres://ops@postgres/aex", "PGPASSFILE": "/run/secrets/ops.pgpass"})
	for _, args := range [][]string{{"agent", "create", "ci", "200.00", "none"}, {"agent", "create", "desk", "50.00", "none", "--window", "daily"}} {
		if out, code := ops.do(append([]string{m.binary}, args...)...); code != 0 {
			t.Fatal(out)
		}
	}
	runs, _ := ops.do(m.binary, "agent", "token", "ci", "--scope", "runs", "--max-run", "2.00", "--ttl", "24")
	m.write("AEX_TOKEN", token.FindString(runs))
	calls, _ := ops.do(m.binary, "agent", "token", "desk")
	m.write("token", token.FindString(calls))

	gateway := c.deployments["aex"].Spec.Template.Spec.Containers[0]
	port := freePort(t)
	args := slices.Clone(gateway.Args)
	for i, a := range args {
		args[i] = strings.Replace(a, fmt.Sprintf(":%d", gateway.Ports[0].ContainerPort), ":"+port, 1)
	}
	served := m.pod("gateway", gateway, append([]string{"/usr/bin/aex"}, args...), map[string]string{"OPENAI_BASE_URL": upstream})
	served.serve()
	for name, probe := range map[string]*corev1.Probe{"startup": gateway.StartupProbe, "readiness": gateway.ReadinessProbe, "liveness": gateway.LivenessProbe} {
		h := probe.HTTPGet
		address := strings.ToLower(string(h.Scheme)) + "://127.0.0.1:" + port + h.Path
		host := "10.1.2.3:8443" // the pod's
		for _, header := range h.HTTPHeaders {
			host = header.Value
		}
		if status, body := get(t, address, host, ""); status != 200 || h.Port.StrVal != gateway.Ports[0].Name {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	job := c.jobs["bot"].Spec.Template.Spec.Containers[0]
	m.aRun(slices.Concat(job.Command, job.Args), m.podEnv(job, map[string]string{"AEX_GATEWAY": "https://127.0.0.1:" + port, "AEX_HOME": filepath.Join(m.home, "job")}))

	pod := c.deployments["desk"].Spec.Template.Spec
	sidecar := m.pod("sidecar", pod.InitContainers[0], append([]string{"/usr/bin/aex"}, pod.InitContainers[0].Args...), map[string]string{"OPENAI_BASE_URL": upstream, "AEX_PORT": freePort(t)})
	sidecar.serve()
	for _, probe := range []*corev1.Probe{pod.InitContainers[0].StartupProbe, pod.InitContainers[0].LivenessProbe} {
		if out, code := sidecar.do(slices.Clone(probe.Exec.Command)...); code != 0 {
			t.Errorf("%v: exit %d\n%s", probe.Exec.Command, code, out)
		}
	}
	desk := m.podEnv(pod.Containers[0], nil)
	desk["OPENAI_BASE_URL"] = strings.Replace(desk["OPENAI_BASE_URL"], "http://127.0.0.1:9000", sidecar.url, 1)
	m.aRun([]string{"/usr/bin/env", "python3", "bot.py"}, desk)
	sidecar.stop()
	served.stop()
	if out, code := ops.do(m.binary, "audit"); code != 0 {
		t.Error(out)
	}
}

// podEnv are the variables of a container, those of Secrets from the machine's files.
func (m *machine) podEnv(c corev1.Container, more map[string]string) map[string]string {
	env := map[string]string{}
	for _, e := range c.Env {
		switch {
		case e.ValueFrom == nil:
			env[e.Name] = e.Value
		case e.ValueFrom.SecretKeyRef.Key == "OPENAI_API_KEY":
			env[e.Name] = "key"
		default:
			env[e.Name] = m.read(e.ValueFrom.SecretKeyRef.Key)
		}
	}
	for name, value := range more {
		env[name] = value
	}
	return env
}

func (m *machine) pod(home string, c corev1.Container, args []string, more map[string]string) *container {
	m.t.Helper()
	return m.container(home, args, m.podEnv(c, more))
}
