package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/supervisor/process"
	"github.com/Auro-rium/aex/v3/supervisor/sandbox"
)

// endTree ends the program and whatever it left running, notes in the report how that
// went, and gives the terminal back.
func (r *session) endTree() {
	r.progress.at("ending the program and what it started")
	r.report.Child = childStatus(r.proc.Status())
	r.decide()
	var ended process.Ended
	if r.keeps() {
		r.report.Orphans = r.proc.Orphans()
	} else {
		ended = r.proc.End(process.Ending{Grace: 2 * time.Second})
	}
	r.report.Ended, r.report.Survivors = ended.Ended, ended.Survivors
	r.report.Child = childStatus(r.proc.Status())
	r.meterCheck()
	r.agentsCheck()
	if len(r.report.Orphans) > 0 {
		// Close takes them out of the run's cgroup. That must come before the run's end in
		// the ledger: a later aex kills what it finds in the cgroup of a run that is over.
		r.proc.Close()
		return
	}
	r.proc.Release() // run closes it once the accounts are closed
}

// meterCheck tells the user if the program went past the gateway, and fails the run where
// the user requires it to be metered.
func (r *session) meterCheck() {
	if host := r.bypass.host(); host != "" {
		r.report.Bypassed, r.unmetered = host, r.Guard.RequireMetered
		r.say("traffic not metered: the program was connected to %s without aex", host)
	}
}

// callCheck fails a run that made no call, where the user requires it to be metered. It
// comes after the gateway has closed, because a program may end as soon as it has its
// answer, before the call is booked.
func (r *session) callCheck() {
	if r.Guard.RequireMetered && !r.unmetered && r.guard.calls() == 0 {
		r.unmetered = true
		r.say("traffic not metered: the program made no call that costs money")
	}
}

// keeps tells whether processes that outlive the program are left alone.
func (r *session) keeps() bool {
	return errors.Is(context.Cause(r.ctx), errChildOver) && r.report.Outcome == "exited" && r.Orphans != OrphansKill &&
		r.have.Level != sandbox.Full // the processes in a full sandbox end with it
}

// shutdown closes the gateway once every call is booked. The tree is gone:
// nobody waits for an answer.
func (r *session) shutdown() error {
	r.progress.at("waiting for calls to be booked")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r.tunnel != nil {
		r.tunnel.Close()
	}
	err := r.gateway.Shutdown(ctx)
	r.stop(nil)
	r.owned.Wait()
	if r.tunnel != nil {
		r.bookSeen()
		r.report.Sandbox.Hosts, r.report.Sandbox.Refused = r.network.hosts()
	}
	return err
}

// close ends the run in the ledger and completes the report. Every call is
// booked by now: one that overran, or could not be booked, decides how the run
// ended, also when the program was quicker.
func (r *session) close(ctx context.Context) (err error) {
	r.unadapt()
	if r.proc != nil {
		r.callCheck()
		r.decide()
	}
	r.progress.at("ending the run in the ledger")
	detail, err := json.Marshal(r.report.detail())
	if err != nil {
		return err
	}
	end, err := r.ledger.EndOwnRun(ctx, r.row.ID, ledger.RunEnd{
		Outcome: r.report.Outcome, ExitCode: r.report.ExitCode, Detail: detail,
	})
	if err != nil && end.ID == "" {
		r.report.Unknown, r.report.Exhausted = true, r.upstream.Load() || closed(r.exhausted)
		return fmt.Errorf("ending run %s: %w", short(r.row.ID), err)
	}
	r.report.Exhausted = r.report.refusedForMoney() || end.Was == ledger.RunExhausted || r.upstream.Load()
	r.report.fill(r, end.Run, end.Has)
	if err != nil {
		r.report.end("unbooked", ExitInternal, err.Error())
		r.report.Unknown = true
		return err
	}
	return nil
}
