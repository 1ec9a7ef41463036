package dashboard

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
)

// actionView is a page that asks for confirmation, or tells what was done.
type actionView struct {
	action
	Target  string
	Command string
	Error   string
	Typed   string // the amount, when it was wrong
	Token   string // shown once
	Window  ledger.Window
	Run     *ledger.Run
	Agent   *ledger.Agent
	Group   *ledger.Group
}

// Back is the page of what the action is for.
func (v actionView) Back() string {
	return "/dashboard/" + v.Of + "?" + url.Values{v.Of: {v.Target}}.Encode()
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
	switch a.Of {
	case "run":
		run, err := d.ledger.Run(r.Context(), r.FormValue("run"))
		if err != nil {
			return v, err
		}
		v.Run, v.Target = &run, string(run.ID)
		v.Command = a.command(shortID(run.ID))
		return v, nil
	case "group":
		group, err := d.ledger.Group(r.Context(), r.FormValue("group"))
		if err != nil {
			return v, err
		}
		v.Group, v.Target, v.Window = &group, group.Name, ledger.Window(r.FormValue("window"))
		v.Command = a.command(shellWord(group.Name))
		return v, nil
	}
	agent, err := d.ledger.Agent(r.Context(), r.FormValue("agent"))
	if err != nil {
		return v, err
	}
	v.Agent, v.Target = &agent, agent.Name
	v.Command = a.command(shellWord(agent.Name))
	return v, nil
}

// shellWord quotes a name for a shell, harmless to show.
func shellWord(s string) string { return plain.Word(plain.Name(s)) }

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
		done, err = v.apply(ctx, d, v.Target, given{by, v.Window})
	}
	switch {
	case err == nil:
	case v.Amount && (errors.Is(err, ledger.ErrAmount) || errors.Is(err, ledger.ErrInvalid) || errors.Is(err, ledger.ErrNoBudget)) || v.Amount && by == 0:
		v.Error = err.Error()
		d.render(w, http.StatusBadRequest, "act.html", &page{Title: v.Title, Session: s, Data: v})
		return nil
	default:
		return err
	}
	http.Redirect(w, r, v.Back()+"&"+url.Values{"done": {done}}.Encode(), http.StatusSeeOther)
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
