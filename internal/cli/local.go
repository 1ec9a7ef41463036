package cli

import (
	"fmt"

	"github.com/Auro-rium/aex/v3/policy"
)

const localPricesUsage = "whether calls of a server on this machine that needs no key cost list prices; auto: those of hosted models"

var localPricesKind = oneOfKind(policy.LocalAuto, policy.LocalOn, policy.LocalOff)

// warnLocal says, where a budget was given, that it does not hold what goes to
// a server on this machine.
func (a *app) warnLocal(p policy.Provider, prices string) {
	which := "its models cost nothing, so the budget does not hold their calls; ids of hosted vendors (gpt-*, claude-*, gemini-* ...) cost list prices"
	switch prices {
	case policy.LocalOn:
		which = "its models cost list prices, as --local-prices=on says"
	case policy.LocalOff:
		which = "its models cost nothing, as --local-prices=off says, so the budget does not hold their calls"
	}
	fmt.Fprintf(a.stderr, "aex: %s (%s) is on this machine and needs no key: %s\n", p.Name, p.BaseURL, which)
}
