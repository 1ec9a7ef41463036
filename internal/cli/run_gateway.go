package cli

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/internal/whole"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/remote"
	"github.com/Auro-rium/aex/v3/supervisor"
)

// addGateways makes a run one of a shared gateway, where one is named: by a flag
// or its variable, by a policy file that was named, or by .env in home. An
// aex.yaml that was merely found does not say where prompts go.
func (a *app) addGateways(cmd *cobra.Command, f *runFlags, s *settings, file *policy.File, spec *supervisor.Spec) error {
	urls := splitList(f.gateways)
	if len(urls) == 0 && file != nil {
		urls = splitList(file.Gateways)
	}
	if len(urls) == 0 {
		value, _, _ := s.lookup("AEX_GATEWAY")
		urls = splitList([]string{value})
		if len(urls) == 0 && (cmd.Flags().Changed("gateway") || value != "") { // such a run would be booked here, with a budget of its own
			return hinted(errors.New("--gateway or AEX_GATEWAY is given and names no gateway"), "write it like https://gate.example.com, or leave it out")
		}
	}
	if len(urls) == 0 {
		return nil
	}
	for _, u := range urls {
		if err := remote.CheckURL(u); err != nil {
			return hinted(err, "give it as: --gateway https://gate.example.com")
		}
	}
	if err := f.checkElsewhere(cmd, a.stderr, remoteFlags, "at a shared gateway", "set it there"); err != nil {
		return err
	}
	token, _, _ := s.lookup("AEX_TOKEN")
	proof := a.proof(token, urls[0], f, spec)
	if token == "" && proof == nil {
		return hinted(fmt.Errorf("there is no token for the gateway %s", urls[0]),
			"set AEX_TOKEN, in the environment or in .env in aex's home; at the gateway it is minted with: aex agent token NAME --scope runs")
	}
	roots, err := rootsWith(f.caFile)
	if err != nil {
		return err
	}
	if spec.Gateway, err = remote.New(remote.Options{URLs: urls, Token: token, Proof: proof, RootCA: roots}); err != nil {
		return hinted(err, "give it as: --gateway https://gate.example.com")
	}
	spec.NewAgent = nil
	if f.agent == "" && environment(a.environ)["AEX_AGENT"] == "" {
		spec.Agent = "" // the token's
	}
	return nil
}

// proof is how a CI vouches for this job: by a token in AEX_OIDC_TOKEN, or one
// that GitHub Actions is asked for. What it is asked with does not reach the
// program, which could vouch for itself by it.
func (a *app) proof(token, gateway string, f *runFlags, spec *supervisor.Spec) func(context.Context, *http.Client) (string, error) {
	env := environment(a.environ)
	told, address, bearer := env["AEX_OIDC_TOKEN"], env["ACTIONS_ID_TOKEN_REQUEST_URL"], env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
	if token != "" || told == "" && (address == "" || bearer == "") {
		return nil
	}
	spec.Environ = slices.DeleteFunc(slices.Clone(spec.Environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return strings.HasPrefix(name, "ACTIONS_ID_TOKEN_REQUEST_") && !slices.Contains(f.pass, name)
	})
	if told != "" {
		return func(context.Context, *http.Client) (string, error) { return told, nil }
	}
	return remote.GitHubProof(address, bearer, cmp.Or(env["AEX_OIDC_AUDIENCE"], strings.TrimSuffix(gateway, "/")))
}

// vouched tells whether a CI may vouch for this job.
func vouched(environ []string) bool {
	env := environment(environ)
	return env["AEX_OIDC_TOKEN"] != "" || env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] != ""
}

// splitList reads lists that are separated by commas, too.
func splitList(lists []string) (all []string) {
	for _, list := range lists {
		for _, one := range strings.Split(list, ",") {
			if one = strings.TrimSpace(one); one != "" {
				all = append(all, one)
			}
		}
	}
	return all
}

// rootsWith are the system's certificates and those of a file. Nil: the
// system's.
func rootsWith(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := whole.Read(file, maxNamed)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("--ca-file holds no certificate")
	}
	return roots, nil
}
