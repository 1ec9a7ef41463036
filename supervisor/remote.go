package supervisor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy"
	"github.com/Auro-rium/aex/v3/proxy/remote"
)

// runRemote does a run that is booked at a shared gateway: that one opens,
// meters, books and ends it. The program is supervised here, and sees a relay on
// loopback.
func (r *session) runRemote(ctx context.Context) (err error) {
	defer r.Gateway.Close()
	if err := r.openRemote(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.closeInside(ctx)) }()
	defer r.owners.Wait()
	defer r.stop(nil)

	if err := r.enter(); err != nil {
		return err
	}
	l, err := r.loopback()
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           &remote.Relay{Gateways: r.Gateway, Token: r.token, Outside: r.tunnelTo()},
		ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 15 * time.Minute, MaxHeaderBytes: 256 << 10,
		ErrorLog: proxy.ServerLog(r.verbosely),
	}
	r.owners.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			r.stop(fmt.Errorf("%w: %w", ErrUnbooked, err))
		}
	})
	defer server.Close()
	if r.tunnel != nil {
		defer r.endTunnel()
	}
	if err := r.start(); err != nil {
		return err
	}
	defer r.endTree()

	r.watchInside()
	r.wait()
	r.callsInside()
	return nil
}

// openRemote opens the run at the first gateway that answers. The token that
// the program gets is of use at its relay alone.
func (r *session) openRemote(ctx context.Context) error {
	r.around = r.Gateway
	opened, err := r.openAround(ctx)
	if err != nil {
		return fmt.Errorf("opening a run at a shared gateway: %w", err)
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return fmt.Errorf("making the program's token: %w", err)
	}
	r.token = hex.EncodeToString(secret)
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

// endTunnel closes the way out of a sandbox, and reports what went through it:
// the ledger, elsewhere, is not told.
func (r *session) endTunnel() {
	r.tunnel.Close()
	r.report.Sandbox.Hosts, r.report.Sandbox.Refused = r.network.hosts()
}
