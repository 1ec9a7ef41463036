package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// play is what this program does as aex's program.
func play(role string, args []string) int {
	switch role {
	case "loop":
		n, _ := strconv.Atoi(args[0])
		return loop(n)
	case "hop": // away from its parent and its session, again and again
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
		for {
			again("hop", true)
			return 0
		}
	case "forks": // faster than one can look
		signal.Ignore(syscall.SIGTERM)
		for range 20 {
			again("deaf", true)
		}
		time.Sleep(time.Hour) // a program that waits for nothing is ended as a deadlock
	case "deaf":
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		time.Sleep(time.Hour)
	case "stops":
		_ = syscall.Kill(os.Getppid(), syscall.SIGSTOP)
		time.Sleep(time.Hour)
	}
	return 99
}

// again starts this program anew.
func again(role string, away bool) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "AEX_ASSAULT_ROLE="+role)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: away}
	_ = cmd.Start() // who resists goes on
	time.Sleep(2 * time.Millisecond)
}

// loop makes calls with so many callers, and never stops by itself.
func loop(callers int) int {
	body := strings.ReplaceAll(wires[0].body, "STREAM", "false")
	transport := &http.Transport{MaxIdleConnsPerHost: callers}
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for {
				req, err := http.NewRequest(http.MethodPost, os.Getenv("OPENAI_BASE_URL")+"/chat/completions", strings.NewReader(body))
				if err != nil {
					return
				}
				req.Header.Set("Authorization", "Bearer "+os.Getenv("OPENAI_API_KEY"))
				resp, err := transport.RoundTrip(req)
				if err != nil {
					return // the gateway is gone
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	all.Wait()
	time.Sleep(time.Hour)
	return 1
}
