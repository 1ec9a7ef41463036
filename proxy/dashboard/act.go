package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
)

// action is something that the operator can do, here and by a command. The
// ledger writes the event of it in the transaction that does it.
type action struct {
	Do      string
	Title   string
	Text    string // what will happen
	Button  string
	Danger  bool
	Amount  bool // it asks for dollars
	Run     bool // it is for a run, else for an agent
	command func(target string) string
	apply   func(ctx context.Context, d *Dashboard, target string, by ledger.Micros) (done string, err error)
}

var actions = map[string]action{
	"stop-run": {
		Title: "Stop run", Button: "Stop this run", Danger: true, Run: true,
		Text:    "Its calls are refused from now on, its program and all that it started are ended, and calls in flight are booked.",
		command: func(t string) string { return "aex runs stop " + t },
		apply: func(ctx context.Context, d *Dashboard, t string, _ ledger.Micros) (string, error) {
			return "run " + t[:min(4, len(t))] + " is ending", d.ledger.SetRunState(ctx, ledger.RunID(t), ledger.RunEnding)
		},
	},
	"topup-run": {
		Title: "Top up run", Button: "Give it more", Amount: true, Run: true,
		Text:    "The run's budget grows. What it overran is paid first; if it was out of money it goes on.",
		command: func(t string) string { return "aex topup " + t + " DOLLARS" },
		apply: func(ctx context.Context, d *Dashboard, t string, by ledger.Micros) (string, error) {
			r, err := d.ledger.TopUpRun(ctx, ledger.RunID(t), by)
			return fmt.Sprintf("run %s has a budget of %s and is %s", shortID(r.ID), budgetText(r.Account.Budget), r.State), err
		},
	},
	"topup-agent": {
		Title: "Top up agent", Button: "Give it more", Amount: true,
		Text:    "The agent's budget grows. What it overran is paid first; its runs that were out of money go on.",
		command: func(t string) string { return "aex topup " + t + " DOLLARS" },
		apply: func(ctx context.Context, d *Dashboard, t string, by ledger.Micros) (string, error) {
			a, err := d.ledger.TopUpAgent(ctx, t, by)
			return fmt.Sprintf("agent %s has a budget of %s", plain.Name(t), budgetText(a.Account.Budget)), err
		},
	},
	"pause-agent": {
		Title: "Pause agent", Button: "Pause this agent", Danger: true,
		Text:    "New calls are refused until it is resumed. Calls in flight end by themselves, programs are left alone.",
		command: func(t string) string { return "aex agent pause " + t },
		apply: func(ctx context.Context, d *Dashboard, t string, _ ledger.Micros) (string, error) {
			return "agent " + plain.Name(t) + " is paused", d.pause(ctx, t, true)
		},
	},
	"resume-agent": {
		Title: "Resume agent", Button: "Let it go on",
		Text:    "New calls are let through again.",
		command: func(t string) string { return "aex agent resume " + t },
		apply: func(ctx context.Context, d *Dashboard, t string, _ ledger.Micros) (string, error) {
			return "agent " + plain.Name(t) + " goes on", d.pause(ctx, t, false)
		},
	},
	"rotate-token": {
		Title: "Rotate token", Button: "End the old tokens, make a new one", Danger: true,
		Text:    "Every token of the agent ends at once, those of its runs excepted. The new one is shown once.",
		command: func(t string) string { return "aex agent rotate-token " + t },
	},
}

func (d *Dashboard) pause(ctx context.Context, name string, paused bool) error {
	_, err := d.ledger.SetAgent(ctx, name, ledger.AgentChange{Paused: &paused})
	return err
}

// actionView is a page that asks for confirmation, or tells what was done.
type actionView struct {
	action
	Target  string
	Command string
	Error   string
	Typed   string // the amount, when it was wrong
	Token   string // shown once
	Run_    *ledger.Run
	Agent_  *ledger.Agent
}

// action finds what is to be done, and to what.
func (d *Dashboard) action(r *http.Request) (actionView, error) {
	do := r.FormValue("do")
	a, ok := actions[do]
	if !ok {
		return actionView{}, &problem{http.StatusNotFound, "There is no such action."}
	}
	if d.o.ReadOnly {
		return actionView{}, &problem{http.StatusForbidden, "This dashboard only shows; use the command instead, or start the server with: aex daemon start"}
	}
	a.Do = do
	v := actionView{action: a}
	if a.Run {
		run, err := d.ledger.Run(r.Context(), r.FormValue("run"))
		if err != nil {
			return v, err
		}
		v.Run_, v.Target = &run, string(run.ID)
		v.Command = a.command(shortID(run.ID))
		return v, nil
	}
	agent, err := d.ledger.Agent(r.Context(), r.FormValue("agent"))
	if err != nil {
		return v, err
	}
	v.Agent_, v.Target = &agent, agent.Name
	v.Command = a.command(shellWord(agent.Name))
	return v, nil
}

// shellWord quotes a name for a shell, harmless to show.
func shellWord(s string) string {
	s = plain.Name(s)
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./@:") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// confirm shows what an action will do; nothing is done yet.
func (d *Dashboard) confirm(w http.ResponseWriter, r *http.Request, s *session) error {
	v, err := d.action(r)
	if err != nil {
		return err
	}
	d.render(w, http.StatusOK, "act.html", &page{Title: v.Title, Session: s, Data: v})
	return nil
}

// act does it.
func (d *Dashboard) act(w http.ResponseWriter, r *http.Request, s *session) error {
	if r.PostFormValue("do") == "verify" {
		d.startAudit()
		http.Redirect(w, r, "/dashboard/audit", http.StatusSeeOther)
		return nil
	}
	v, err := d.action(r)
	if err != nil {
		return err
	}
	// Once asked for, it is done also for a browser that left.
	ctx := context.WithoutCancel(r.Context())
	if v.Do == "rotate-token" {
		return d.rotate(ctx, w, s, v)
	}
	var by ledger.Micros
	if v.Amount {
		v.Typed = r.PostFormValue("amount")
		by, err = ledger.ParseUSD(strings.TrimSpace(v.Typed))
		if err == nil && by == 0 {
			err = errors.New("give more than $0")
		}
	}
	var done string
	if err == nil {
		done, err = v.apply(ctx, d, v.Target, by)
	}
	switch {
	case err == nil:
	case v.Amount && (errors.Is(err, ledger.ErrAmount) || errors.Is(err, ledger.ErrInvalid)) || v.Amount && by == 0:
		v.Error = err.Error()
		d.render(w, http.StatusBadRequest, "act.html", &page{Title: v.Title, Session: s, Data: v})
		return nil
	default:
		return err
	}
	back := "/dashboard/agent?" + url.Values{"agent": {v.Target}, "done": {done}}.Encode()
	if v.action.Run {
		back = "/dashboard/run?" + url.Values{"run": {v.Target}, "done": {done}}.Encode()
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
	return nil
}

// rotate shows the new token on the page that answers: it is not kept.
func (d *Dashboard) rotate(ctx context.Context, w http.ResponseWriter, s *session, v actionView) error {
	tokens, err := d.ledger.Tokens(ctx, v.Target)
	if err != nil {
		return err
	}
	next := ledger.NewToken{Agent: v.Target, Scope: ledger.Execution, TTL: ledger.NoTTL}
	if len(tokens) > 0 {
		next.Scope = tokens[0].Scope
		if tokens[0].TTL > 0 {
			next.TTL = tokens[0].TTL
		}
	}
	v.Token = ledger.NewSecret(ledger.SecretOfAgent)
	next.Hash = ledger.HashToken(v.Token)
	if err := d.ledger.RotateToken(ctx, next); err != nil {
		return err
	}
	d.render(w, http.StatusOK, "token.html", &page{Title: "New token", Session: s, Data: v})
	return nil
}

// doneText is what an action before has done, to be said once.
func doneText(r *http.Request) string { return plain.Text(r.URL.Query().Get("done"), 300) }
