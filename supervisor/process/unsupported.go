//go:build !linux && !darwin

package process

// The process half needs ptys, process groups and signals. This line is what the compiler shows elsewhere.
var _ int = "aex runs on Linux and macOS; on Windows, build and run it inside WSL2"
