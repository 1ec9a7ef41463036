package deploy

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// composed is deploy/compose.yaml as Compose's own library reads it, which takes
// no member that the specification does not have.
func composed(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../../deploy/compose.yaml"}, cli.WithProfiles([]string{"*"}), cli.WithEnv([]string{"OPENAI_API_KEY=key"}))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// ours are the services that run aex.
func ours(p *types.Project) (all []types.ServiceConfig) {
	for _, name := range p.ServiceNames() {
		if s := p.Services[name]; strings.Contains(s.Image, "/aex:") {
			all = append(all, s)
		}
	}
	return all
}

func TestComposeFitsTogether(t *testing.T) {
	p := composed(t)
	if names := p.ServiceNames(); !slices.Equal(names, []string{"gate1", "gate2", "ledger", "ops", "postgres", "prometheus"}) {
		t.Fatalf("services %v", names)
	}
	for _, s := range ours(p) {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) {
			t.Errorf("%s may write to its image or has capabilities", s.Name)
		}
		for name, value := range s.Environment {
			if strings.Contains(name, "PASSWORD") || value != nil && strings.Contains(*value, ":key@") {
				t.Errorf("%s has a password in its environment", s.Name)
			}
		}
		file := s.Environment["PGPASSFILE"]
		if file == nil || !slices.ContainsFunc(s.Secrets, func(f types.ServiceSecretConfig) bool { return "/run/secrets/"+f.Source == *file }) {
			t.Errorf("%s has no secret for its PGPASSFILE %v", s.Name, file)
		}
		if strings.HasPrefix(s.Name, "gate") && (s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) < 40*time.Second) {
			t.Errorf("%s is killed while it drains", s.Name)
		}
		if _, keyed := s.Environment["OPENAI_API_KEY"]; keyed != strings.HasPrefix(s.Name, "gate") {
			t.Errorf("%s: a provider's key is for gateways alone", s.Name)
		}
	}
	for _, s := range p.Services {
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s is published beyond this machine, in plain text", s.Name)
			}
		}
	}
	made := t.TempDir()
	if out, err := exec.Command("../../deploy/make-secrets", made).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for name, secret := range p.Secrets {
		if _, err := os.Stat(made + "/" + name); err != nil || !strings.HasSuffix(secret.File, "/secrets/"+name) {
			t.Errorf("make-secrets does not make %s for %s", name, secret.File)
		}
	}
}

// TestPrometheusReadsItsConfiguration, by promtool.
func TestPrometheusReadsItsConfiguration(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		missing(t, "promtool is not installed")
	}
	if out, err := exec.Command(promtool, "check", "config", "--syntax-only", "../../deploy/prometheus.yml").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("NOT TESTED: %s", what)
	}
	t.Skipf("NOT TESTED: %s; make deploy-check has it", what)
}
