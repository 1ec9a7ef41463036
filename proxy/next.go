package proxy

import (
	"strings"

	"github.com/Auro-rium/aex/v3/ledger"
)

// TopUp is the command that gives an account more.
func TopUp(a ledger.Account, by ledger.Micros) string {
	amount := strings.TrimPrefix(by.String(), "$")
	switch {
	case a.Kind == ledger.RunAccount:
		return "aex topup " + a.Name[:min(4, len(a.Name))] + " " + amount
	case a.Kind == ledger.GroupAccount && a.Window.Period() != "":
		return "aex group topup " + word(a.Name) + " " + amount + "/" + a.Window.Period()
	case a.Kind == ledger.GroupAccount:
		return "aex group topup " + word(a.Name) + " " + amount + "/total"
	}
	return "aex topup " + word(a.Name) + " " + amount
}

// Resume is the command that lets the agent or the group go on that the account
// is of.
func Resume(a ledger.Account) string {
	if a.Kind == ledger.GroupAccount {
		return "aex group resume " + word(a.Name)
	}
	return "aex agent resume " + word(a.Name)
}

// word quotes a name for a shell where that would read more than a word.
func word(name string) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./@:") == "" && name != "" {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}
