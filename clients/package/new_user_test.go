//go:build linux

package main

import (
	"os"
	"strings"
	"testing"
)

// firstMinute is the shell of README.md's section of that name, in order.
func firstMinute(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	must(t, err)
	_, section, ok := strings.Cut(string(text), "\n## The first minute\n")
	if !ok {
		t.Fatal("README.md has no first minute")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var commands strings.Builder
	for _, part := range strings.Split(section, "```sh\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		commands.WriteString(block)
	}
	return commands.String()
}

// bot is a program of the reader's, which never heard of aex.
const bot = `cat > bot.py <<'END'
import json, os, urllib.request
for n in range(3):
    body = {"model": "gpt-4o-mini", "max_tokens": 200, "messages": [{"role": "user", "content": "step %d" % n}]}
    request = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + "/chat/completions", json.dumps(body).encode(),
        {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "Content-Type": "application/json"})
    print("bot:", json.load(urllib.request.urlopen(request))["usage"])
END
`

// TestNewUser follows README.md from nothing: pip, the demo, a program of
// one's own, where the money went.
func TestNewUser(t *testing.T) {
	ofDist(t, "*manylinux_2_17_x86_64*.whl")
	steps := strings.ReplaceAll(firstMinute(t), "7f3a", `$(aex runs --json | sed -n 's/^ *"run_id": *"\([0-9a-f]*\)".*/\1/p' | head -n 1)`)
	out := room(t, `/usr/bin/python3 -m venv /tmp/env; PATH=/tmp/env/bin:$PATH; began=$(date +%s)
`+line(t, "README.md", "pip install aex")+`
`+bot+`aex fake-provider --key sk-... > provider.log & provider=$!
while [ ! -s provider.log ]; do :; done
export OPENAI_BASE_URL=$(sed -n 's/listening on //p' provider.log)/v1
`+steps+`
kill $provider
echo "took $(( $(date +%s) - began )) s"
`, "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/dist", "PIP_DISABLE_PIP_VERSION_CHECK=1")
	has(t, out, "exit code 121", "bot: {", "of $0.50, 3 calls", "gpt-4o-mini", "invariant checks passed")
	_, took, _ := strings.Cut(out, "\ntook ")
	t.Logf("README.md from pip install to aex audit: %s", strings.SplitN(took, "\n", 2)[0])
}
