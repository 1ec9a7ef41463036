package plain

import (
	"log"
	"strings"
)

// ServerLog takes what net/http has to say of connections to the log of
// aex, which keeps others' text in it from acting on a terminal.
func ServerLog(logf func(string, ...any)) *log.Logger {
	return log.New(logWriter(logf), "", 0)
}

type logWriter func(string, ...any)

func (w logWriter) Write(b []byte) (int, error) {
	w("%s", strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}
