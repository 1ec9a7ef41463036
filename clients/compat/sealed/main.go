//go:build linux

// sealed runs a command of aex where every name leads to a listener that notes
// who asks: sealed OUT KEY COMMAND...
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/Auro-rium/aex/v3/internal/decoy"
)

const inside = "AEX_COMPAT_SEALED"

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: sealed OUT KEY COMMAND...")
		os.Exit(2)
	}
	if os.Getenv(inside) == "" {
		again := exec.Command("/proc/self/exe", os.Args[1:]...)
		again.Env = append(os.Environ(), inside+"=1")
		again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
		again.SysProcAttr = decoy.Attr()
		if err := again.Run(); err != nil && again.ProcessState == nil {
			fmt.Fprintln(os.Stderr, "sealed:", err)
			os.Exit(125)
		}
		os.Exit(again.ProcessState.ExitCode())
	}
	_ = os.Unsetenv(inside) // of this process alone
	code, err := decoy.Run(context.Background(), os.Args[1], os.Args[2], os.Args[3:], os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sealed:", err)
		os.Exit(125)
	}
	os.Exit(code)
}
