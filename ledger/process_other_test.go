//go:build !linux

package ledger_test

import "syscall"

func pidNamespace() *syscall.SysProcAttr { return nil }
