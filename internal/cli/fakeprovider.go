package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// fakeProviderCommand is hidden: it is for scripts that test against aex.
func (a *app) fakeProviderCommand() *cobra.Command {
	return &cobra.Command{
		Use: "fake-provider", Short: "serve made-up models on loopback, for tests", Hidden: true, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := fakeprovider.Command(cmd.Context(), args, a.stdout)
			if errors.Is(err, pflag.ErrHelp) {
				return nil
			}
			if err != nil {
				return hinted(fmt.Errorf("fake-provider: %w", err), "see: aex fake-provider --help")
			}
			return nil
		},
	}
}
