package dashboard

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// auditByItself is how long a trail may be for the first page to verify it
// unasked; a longer one takes minutes and waits for the operator.
const auditByItself = 100_000

// auditState is the last verification and the one under way.
type auditState struct {
	mu        sync.Mutex
	begun     bool
	running   bool
	done, all int64
	result    *ledger.Audit
	err       error
	at        time.Time
	took      time.Duration
}

// auditView is it as a page shows it.
type auditView struct {
	Running   bool
	Done, All int64
	Result    *ledger.Audit
	Error     string
	At        time.Time
	Took      time.Duration
	New       int64 // events since then
	Events    int64
	Broken    bool // the ledger can no longer commit
}

// startAudit verifies in the background, unless that is under way already.
func (d *Dashboard) startAudit() {
	a := &d.audit
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running || d.ctx.Err() != nil {
		return
	}
	a.begun, a.running, a.done, a.all = true, true, 0, 0
	d.running.Go(func() {
		began := d.o.Now()
		result, err := d.ledger.Verify(d.ctx, func(done, all int64) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.done, a.all = done, all
		})
		a.mu.Lock()
		defer a.mu.Unlock()
		a.running, a.err, a.at = false, err, d.o.Now()
		a.took = a.at.Sub(began)
		if err == nil {
			a.result = &result
		}
	})
}

// auditNow is the state of the audit; the first look begins a short one.
func (d *Dashboard) auditNow(ctx context.Context) (auditView, error) {
	end, err := d.ledger.End(ctx)
	if err != nil {
		return auditView{}, err
	}
	a := &d.audit
	a.mu.Lock()
	begun := a.begun
	a.mu.Unlock()
	if !begun && end <= auditByItself {
		d.startAudit()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	v := auditView{Running: a.running, Done: a.done, All: a.all, Result: a.result, At: a.at, Took: a.took, Events: end}
	if a.err != nil {
		v.Error = a.err.Error()
	}
	if a.result != nil {
		v.New = max(0, end-a.result.Events)
	}
	select {
	case <-d.ledger.Broken():
		v.Broken = true
	default:
	}
	return v, nil
}

func (d *Dashboard) auditPage(w http.ResponseWriter, r *http.Request, s *session) error {
	v, err := d.auditNow(r.Context())
	if err != nil {
		return err
	}
	d.render(w, http.StatusOK, "audit.html", &page{Title: "Audit", Session: s, Nav: "audit", Live: true, Data: v})
	return nil
}
