//go:build linux

package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the ledger's own driver
)

const wholeBody = `{"model":"gpt-4o-mini","max_tokens":200,"messages":[{"role":"user","content":"hello there, tell me something"}]}`

// load keeps connections busy for a span, and returns how long each request took.
func load(ctx context.Context, w *way, connections int, span time.Duration) ([]time.Duration, error) {
	end := time.Now().Add(span)
	var mu sync.Mutex
	var all []time.Duration
	var failed error
	var callers sync.WaitGroup
	for range connections {
		callers.Go(func() {
			took, err := caller(ctx, w, end)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			failed = errors.Join(failed, err)
		})
	}
	callers.Wait()
	return all, failed
}

// caller repeats one request over one connection.
func caller(ctx context.Context, w *way, end time.Time) ([]time.Duration, error) {
	host := strings.TrimPrefix(w.url, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	request := []byte(fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		host, w.token, len(wholeBody), wholeBody))
	in := bufio.NewReaderSize(conn, 16<<10)
	var took []time.Duration
	for ctx.Err() == nil {
		began := time.Now()
		if began.After(end) {
			break
		}
		if _, err := conn.Write(request); err != nil {
			return took, err
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return took, fmt.Errorf("%s: %w", w.name, err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return took, err
		}
		if resp.StatusCode != 200 {
			return took, fmt.Errorf("%s answered %d: %s", w.name, resp.StatusCode, body)
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

// commitTime is how long SQLite takes to commit one small row as the ledger
// does: in a write-ahead log, synchronous=FULL, on the same disk.
func commitTime(ctx context.Context, dir string) (time.Duration, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "commit.db")+"?_pragma=journal_mode(wal)&_pragma=synchronous(full)")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "CREATE TABLE t (n INTEGER PRIMARY KEY, body TEXT)"); err != nil {
		return 0, err
	}
	insert, err := db.PrepareContext(ctx, "INSERT INTO t (body) VALUES (?)")
	if err != nil {
		return 0, err
	}
	defer insert.Close()
	var took []time.Duration
	for range 200 {
		began := time.Now()
		if _, err := insert.ExecContext(ctx, strings.Repeat("x", 300)); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began))
	}
	return median(took), nil
}
