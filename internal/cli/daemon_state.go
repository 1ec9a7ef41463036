package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/internal/owned"
	"github.com/Auro-rium/aex/v3/internal/whole"
)

// daemonView is the server of a home, as it is found.
type daemonView struct {
	Running bool      `json:"running"`
	Ready   bool      `json:"ready"`
	PID     int       `json:"pid,omitempty"`
	URL     string    `json:"url,omitempty"`
	Started time.Time `json:"started,omitzero"`
	Version string    `json:"version,omitempty"`
	Log     string    `json:"log,omitempty"`
	CAFile  string    `json:"cert_file,omitempty"` // its certificate, where it serves TLS
}

func (v daemonView) text() string {
	switch {
	case !v.Running:
		return "Not running"
	case !v.Ready:
		return fmt.Sprintf("Running (PID %d), not ready", v.PID)
	}
	return fmt.Sprintf("Running (PID %d) at %s", v.PID, v.URL)
}

// A server is known by the exclusive lock on daemon.lock, which dies with it;
// daemon.json only tells where it listens.
func lockPath(home string) string   { return filepath.Join(home, "daemon.lock") }
func daemonPath(home string) string { return filepath.Join(home, "daemon.json") }
func logPath(home string) string    { return filepath.Join(home, "logs", "daemon.log") }

// lookAtDaemon finds the server of this home.
func (a *app) lookAtDaemon(ctx context.Context, s *settings) daemonView {
	if !held(lockPath(s.home)) {
		return daemonView{}
	}
	v := toldDaemon(s.home)
	v.Running = true
	v.Ready = v.URL != "" && answers(ctx, v, "/ready") == nil
	return v
}

// toldDaemon is what the last server of home has told, of itself.
func toldDaemon(home string) (v daemonView) {
	if data, err := whole.ReadFile(daemonPath(home), maxOwn); err == nil {
		// What cannot be read is a server that has not come so far yet.
		_ = json.Unmarshal(data, &v)
	}
	return v
}

// poll returns when something is so, or why it was not waited for.
func poll(ctx context.Context, so func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

// answers asks the server for a page that needs no token.
func answers(ctx context.Context, v daemonView, path string) error {
	client, err := v.client(2 * time.Second)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.URL+path, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// held tells whether another open file has the lock of path.
func held(path string) bool {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// takeLock takes the lock for as long as the file is open. Who only looks
// (held) has it for an instant, so it is tried more than once.
func takeLock(ctx context.Context, path string) (f *os.File, taken bool, err error) {
	f, err = owned.Open(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("opening the server's lock: %w", err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 25 {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, true, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, false, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, false, errors.Join(ctx.Err(), f.Close())
		case <-tick.C:
		}
	}
	return nil, false, f.Close()
}

// removeQuietly removes what need not be there.
func removeQuietly(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
