//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// arrival is how one stream came.
type arrival struct {
	first  time.Duration   // from the request to the first event
	delays []time.Duration // from the provider's writing of a chunk to its reading here
}

// streams compares streamed answers: time to the first event, the delay of each
// chunk, processor time a chunk, and what a thousand at once take up.
func streams(ctx context.Context, ways []*way) error {
	first, delay := make([][]time.Duration, len(ways)), make([][]time.Duration, len(ways))
	for round := range 42 { // the first two warm up
		for i, w := range ways {
			a, err := stream(ctx, w, pace{Chunks: 50, Every: time.Millisecond})
			if err != nil {
				return err
			}
			if round > 1 {
				first[i] = append(first[i], a.first)
				delay[i] = append(delay[i], a.delays...)
			}
		}
	}
	cpu := make([]time.Duration, len(ways))
	for i, w := range ways {
		const callers, chunks = 50, 200
		before := processorTime(w.pid)
		if err := together(ctx, w, callers, pace{Chunks: chunks, Every: 4 * time.Millisecond}); err != nil {
			return err
		}
		cpu[i] = (processorTime(w.pid) - before) / (callers * chunks)
	}
	proxy := median(delay[1])
	fmt.Printf("%-14s %16s %18s %10s %18s\n", "way", "first event p50", "chunk's delay p50", "of proxy", "CPU a chunk (50)")
	for i, w := range ways {
		d := median(delay[i])
		fmt.Printf("%-14s %16s %18s %10.2f %18s\n", w.name, median(first[i]).Round(time.Microsecond), d.Round(100*time.Nanosecond),
			float64(d)/float64(proxy), cpu[i].Round(100*time.Nanosecond))
	}
	for _, w := range ways[1:] {
		most := watch(w.pid)
		err := together(ctx, w, 1000, pace{Chunks: 30, Every: 200 * time.Millisecond})
		fmt.Printf("%s's resident set with 1,000 streams: %.1f MiB\n", w.name, float64(most())/1024)
		if err != nil {
			return err
		}
	}
	return nil
}

// together runs so many streams at once.
func together(ctx context.Context, w *way, callers int, p pace) error {
	var mu sync.Mutex
	var failed error
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			if _, err := stream(ctx, w, p); err != nil {
				mu.Lock()
				failed = errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return failed
}

// client keeps connections as real clients do.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2000, DisableCompression: true}}

func stream(ctx context.Context, w *way, p pace) (a arrival, err error) {
	req, err := http.NewRequestWithContext(ctx, "POST", w.url+"/v1/chat/completions", strings.NewReader(p.body()))
	if err != nil {
		return a, err
	}
	req.Header.Set("Authorization", "Bearer "+w.token)
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return a, fmt.Errorf("%s answered %d", w.name, resp.StatusCode)
	}
	lines, ended := bufio.NewScanner(resp.Body), false
	for lines.Scan() {
		line := lines.Text()
		ended = ended || line == "data: [DONE]"
		_, after, ok := strings.Cut(line, `"content":"`)
		if !ok {
			continue
		}
		stamp, _, _ := strings.Cut(after, `"`)
		sent, err := strconv.ParseInt(stamp, 10, 64)
		if err != nil {
			return a, fmt.Errorf("%s: a chunk without its time: %w", w.name, err)
		}
		if a.delays = append(a.delays, time.Duration(monotonic()-sent)); a.first == 0 {
			a.first = time.Since(began)
		}
	}
	if err := lines.Err(); err != nil {
		return a, err
	}
	if len(a.delays) != p.Chunks || !ended {
		return a, fmt.Errorf("%s: %d chunks of %d came", w.name, len(a.delays), p.Chunks)
	}
	return a, nil
}

// processorTime is what a process has used so far; 0 for none.
func processorTime(pid int) (sum time.Duration) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			continue // it ended meanwhile
		}
		var ns int64
		if _, err := fmt.Sscan(string(text), &ns); err == nil {
			sum += time.Duration(ns)
		}
	}
	return sum
}

// watch follows a process's resident set; the function returned ends that and
// tells the greatest, in KiB.
func watch(pid int) func() int {
	stop, done, most := make(chan struct{}), make(chan struct{}), 0
	go func() {
		defer close(done)
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for {
			most = max(most, resident(pid))
			select {
			case <-ticker.C:
			case <-stop:
				return
			}
		}
	}()
	return func() int { close(stop); <-done; return most }
}
