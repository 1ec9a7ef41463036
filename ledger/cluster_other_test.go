//go:build !linux

package ledger

import "time"

func watchEnds([]int) (wait func()) { return func() {} }

func wait(d time.Duration) { time.Sleep(d) }
