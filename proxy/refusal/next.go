package refusal

import (
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
)

// TopUp is the command that gives an account more.
func TopUp(a ledger.Account, by ledger.Micros) string {
	amount := strings.TrimPrefix(by.String(), "$")
	switch {
	case a.Kind == ledger.RunAccount:
		return "aex topup " + a.Name[:min(4, len(a.Name))] + " " + amount
	case a.Kind == ledger.GroupAccount && a.Window.Period() != "":
		return "aex group topup " + plain.Word(a.Name) + " " + amount + "/" + a.Window.Period()
	case a.Kind == ledger.GroupAccount:
		return "aex group topup " + plain.Word(a.Name) + " " + amount + "/total"
	}
	return "aex topup " + plain.Word(a.Name) + " " + amount
}

// Resume is the command that lets an account's agent or group go on.
func Resume(a ledger.Account) string {
	if a.Kind == ledger.GroupAccount {
		return "aex group resume " + plain.Word(a.Name)
	}
	return "aex agent resume " + plain.Word(a.Name)
}
