//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// play is what this binary does as the program that aex runs.
func play(role string, args []string) int {
	switch role {
	case "once":
		return once(args[0])
	case "loop":
		return loop(args)
	case "ways":
		return ways()
	case "worker":
		return worker(args)
	case "steps":
		return steps(os.Stdin)
	case "stubborn":
		return stubborn(args)
	case "family":
		return family(args[0])
	case "spawner", "sleeper":
		return sleeper(role, args[0])
	case "grep":
		return grepKey(args)
	case "witness":
		return witness(args[0])
	case "escape":
		return goWays()
	case "sealed":
		return sealed(args)
	case "asks":
		return asksAll()
	case "hears":
		return hears(args[0])
	case "pump":
		return pump(args)
	case "connect":
		return readSocket(args[0])
	case "confined":
		return confinedAs(args)
	case "escape-child":
		return escapeChild()
	case "callers":
		return callers(os.Stdin)
	case "steady":
		return steady(args)
	case "polite":
		return polite()
	case "clan":
		family(args[0])
		return once(args[1])
	}
	return 99
}

// call makes one chat completion with the environment that it finds.
func call(body string) (int, error) {
	resp, err := post(body)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func post(body string) (*http.Response, error) {
	req, err := http.NewRequest("POST", os.Getenv("OPENAI_BASE_URL")+"/chat/completions", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+os.Getenv("OPENAI_API_KEY"))
	return http.DefaultClient.Do(req)
}

// chatBody is a request with a prompt of so many bytes.
func chatBody(prompt, cap int) string {
	b, _ := json.Marshal(map[string]any{
		"model": "gpt-4o-mini", "max_tokens": cap,
		"messages": []map[string]string{{"role": "user", "content": strings.Repeat("word ", prompt/5)}},
	})
	return string(b)
}

func once(mark string) int {
	must := os.WriteFile(mark, []byte(strconv.Itoa(os.Getpid())), 0o600)
	status, err := call(chatBody(20, 50))
	fmt.Println(status, err, must)
	if status != 200 {
		return 1
	}
	return 0
}

// witness keeps a stream open, calls until it is told to end, and writes what
// happens to it to a file, in order.
func witness(file string) int {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	log, err := os.Create(file)
	if err != nil {
		return 1
	}
	body := `{"model":"gpt-4o-mini","stream":true,"max_tokens":16,"messages":[{"role":"user","content":"hi"}]}`
	resp, err := post(body)
	if err != nil {
		return 1
	}
	if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
		return 1
	}
	fmt.Fprintln(log, "stream")
	for last := 0; ; {
		select {
		case <-told:
			fmt.Fprintln(log, "TERM")
			return 0
		default:
		}
		if status, err := call(chatBody(2000, 1024)); err != nil || status != last {
			fmt.Fprintln(log, status)
			last = status
		}
	}
}

// polite ends well when it is told that the budget is used up.
func polite() int {
	for {
		resp, err := post(chatBody(2000, 1024))
		if err != nil {
			return 1
		}
		answer, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		switch {
		case err != nil:
			return 1
		case bytes.Contains(answer, []byte("the budget is used up")):
			return 0
		}
	}
}

// loop is a runaway: CALLERS callers that never stop by themselves, with a
// family of processes, whose ids go to DIR.
func loop(args []string) int {
	callers, _ := strconv.Atoi(args[0])
	if len(args) > 1 {
		family(args[1])
	}
	body := chatBody(2000, 1024)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for {
				if _, err := call(body); err != nil {
					return // the gateway is gone
				}
			}
		})
	}
	all.Wait()
	select {}
}

// family starts a child, and a daemon that left the session, ignores TERM and
// has a parent that is gone.
func family(dir string) int {
	for _, who := range []string{"sleeper", "spawner"} {
		cmd := exec.Command(os.Args[0], dir)
		cmd.Env = append(os.Environ(), "AEX_E2E_ROLE="+who)
		ready, err := cmd.StdoutPipe()
		if err != nil {
			return 1
		}
		if err := cmd.Start(); err != nil {
			return 1
		}
		_, _ = ready.Read(make([]byte, 1)) // its process is on record
	}
	return 0
}

// sleeper records itself and stays; spawner starts one in a session of its own
// and goes.
func sleeper(role, dir string) int {
	signal.Ignore(syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT)
	if role == "spawner" {
		cmd := exec.Command(os.Args[0], dir)
		cmd.Env = append(os.Environ(), "AEX_E2E_ROLE=sleeper")
		cmd.Stdout = os.Stdout
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		_ = cmd.Start()
		return 0
	}
	name := filepath.Join(dir, strconv.Itoa(os.Getpid()))
	_ = os.WriteFile(name, nil, 0o600)
	fmt.Print(".")
	select {}
}

// grepKey looks for the key wherever this process can: its own environment and
// arguments, every process it may read, and the files named.
func grepKey(args []string) int {
	key, files := []byte(reverse(args[0])), args[1:]
	found := 0
	look := func(what string, b []byte) {
		if bytes.Contains(b, key) {
			fmt.Println("the key is in", what)
			found++
		}
	}
	for _, pattern := range []string{"/proc/[0-9]*/environ", "/proc/[0-9]*/cmdline"} {
		matches, _ := filepath.Glob(pattern)
		for _, m := range matches {
			if inTree(m) {
				b, _ := os.ReadFile(m)
				look(m, b)
			}
		}
	}
	for _, dir := range files {
		_ = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
			if err == nil && info.Mode().IsRegular() {
				b, _ := os.ReadFile(path)
				look(path, b)
			}
			return nil
		})
	}
	fmt.Println("found", found)
	return min(found, 1)
}

// inTree tells whether a /proc file is of this process, the monitor or aex:
// the chain of its parents up to aex itself.
func inTree(file string) bool {
	pid := strings.Split(file, "/")[2]
	for p := strconv.Itoa(os.Getpid()); p != "" && p != "1" && p != "0"; p = parent(p) {
		if p == pid {
			return true
		}
		if name, _ := os.ReadFile("/proc/" + p + "/comm"); strings.TrimSpace(string(name)) == "aex" && p != pid && !strings.Contains(cmdline(p), "__monitor") {
			return false // what is above aex is the user's own
		}
	}
	return false
}

func cmdline(pid string) string {
	b, _ := os.ReadFile("/proc/" + pid + "/cmdline")
	return string(b)
}

func parent(pid string) string {
	b, _ := os.ReadFile("/proc/" + pid + "/stat")
	_, rest, _ := strings.Cut(string(b), ") ")
	if fields := strings.Fields(rest); len(fields) > 1 {
		return fields[1]
	}
	return ""
}

func reverse(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// steady makes so many calls one after another, and makes one that was cut off
// again, as SDKs do. It writes a line for each that was answered.
func steady(args []string) int {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return 2
	}
	for done, cut := 0, 0; done < n; {
		status, err := call(chatBody(20, 50))
		switch {
		case err != nil && cut < 1000:
			cut++
		case err != nil || status != 200:
			fmt.Println("failed", status, err)
			return 1
		default:
			done++
			fmt.Println("answered", done)
		}
	}
	return 0
}
