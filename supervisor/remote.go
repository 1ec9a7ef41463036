package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/remote"
)

// relay lets the program see a gateway on loopback, which sends its calls to the
// shared one.
func (r *session) relay() (end func(), err error) {
	l, err := r.loopback()
	if err != nil {
		return nil, err
	}
	r.relayed = &remote.Relay{Gateways: r.Gateway, Token: r.token, Outside: r.tunnelTo()}
	server := &http.Server{
		Handler:           r.relayed,
		ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 15 * time.Minute, MaxHeaderBytes: 256 << 10,
		ErrorLog: plain.ServerLog(r.verbosely),
	}
	r.owned.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			r.stop(fmt.Errorf("%w: %w", ErrUnbooked, err))
		}
	})
	return func() {
		if r.tunnel != nil {
			r.endTunnel()
		}
		_ = server.Close() // its program is gone
	}, nil
}

// openRemote opens the run at the first gateway that answers. The program gets a token
// that only its relay accepts.
func (r *session) openRemote(ctx context.Context) error {
	r.around = r.Gateway
	opened, err := r.openAround(ctx)
	if err != nil {
		return fmt.Errorf("opening a run at a shared gateway: %w", err)
	}
	r.token = ledger.NewSecret(ledger.SecretOfRun)
	r.Key = func(policy.Provider) string { return r.token } // the keys are at the gateway
	r.report.Gateway = r.Gateway.URL()
	r.verbosely("the run is at the gateway %s", r.Gateway.URL())
	if r.Agent != "" && r.Agent != opened.Agent {
		r.say("the token is of agent %s, who pays; what %s may not do holds, too", opened.Agent, r.Agent)
	}
	if r.Budget != nil && opened.Budget != nil && *opened.Budget < *r.Budget {
		r.say("the gateway leaves this run %s, less than the %s asked for: that is the limit", *opened.Budget, *r.Budget)
	}
	return nil
}

// endTunnel closes the way out of a sandbox, and reports what went through it. The ledger,
// which is elsewhere, is not told.
func (r *session) endTunnel() {
	r.tunnel.Close()
	r.report.Sandbox.Hosts, r.report.Sandbox.Refused = r.network.hosts()
}
