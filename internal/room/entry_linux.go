//go:build amd64 || arm64

package room

// entry is the first instruction of the program. It is called by the kernel.
func entry()

var _ = entry
