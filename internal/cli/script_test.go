package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/Auro-rium/aex/internal/fakeprovider"
	"github.com/Auro-rium/aex/supervisor"
)

// TestMain lets scripts run aex and the fake provider as processes of their
// own, out of this test binary.
func TestMain(m *testing.M) {
	if code, ok := supervisor.MonitorMain(os.Args); ok {
		os.Exit(code)
	}
	testscript.Main(m, map[string]func(){
		"aex": func() {
			exit := Main(os.Args[1:])
			supervisor.ExitLike(exit.Status)
			os.Exit(exit.Code)
		},
		"fakeprovider": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			if err := fakeprovider.Command(ctx, os.Args[1:], os.Stdout); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		},
	})
}
