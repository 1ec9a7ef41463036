// Package room is where aex begins on Linux, before Go does: Go's runtime
// reserves more than half a gigabyte of address space as it starts, and where
// that may not be had (ulimit -v) it ends with a page of its own stacks. Entry
// looks at the limit and says in a line what is wrong. The linker is told to
// begin here by -E; without that, as under go install, the runtime speaks for
// itself.
package room
