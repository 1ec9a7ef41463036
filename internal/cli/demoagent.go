package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
)

// demoAgentCommand is the demo's runaway: a program like any other, that knows
// of aex only what its environment tells it.
func (a *app) demoAgentCommand() *cobra.Command {
	return &cobra.Command{
		Use: "demo-agent", Short: "ask a model for ever", Hidden: true, Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demoAgent(cmd.Context()) },
	}
}

type demoMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// demoAgent never gives up: a refusal does not end it, aex has to.
func (a *app) demoAgent(ctx context.Context) error {
	env := environment(a.environ)
	base, key := env["OPENAI_BASE_URL"], env["OPENAI_API_KEY"]
	if base == "" || key == "" {
		return hinted(errors.New("OPENAI_BASE_URL and OPENAI_API_KEY are not set"), "run it under aex run, or try: aex demo")
	}
	talk := []demoMessage{{"system", "You plan the perfect plan. You never finish."}}
	for n := 1; ; n++ {
		talk = append(talk, demoMessage{"user", fmt.Sprintf("Step %d. Think again, and in more depth.", n)})
		answer, err := askModel(ctx, base, key, talk)
		if ctx.Err() != nil {
			a.printf("agent: told to end, and ends")
			return nil
		}
		if err != nil {
			a.printf("agent: step %d: %s", n, printable(err.Error()))
			pause := time.NewTimer(250 * time.Millisecond)
			select {
			case <-ctx.Done():
			case <-pause.C:
			}
			continue
		}
		talk = append(talk, demoMessage{"assistant", answer})
		if len(talk) > 3 { // what it said long ago it forgets
			talk = append(talk[:1:1], talk[len(talk)-2:]...)
		}
		spent, budget, err := readBalance(ctx, base, key)
		if err != nil {
			a.printf("agent: step %d done", n)
			continue
		}
		a.printf("agent: step %2d done, %s of %s spent", n, spent, budget)
	}
}

// askModel makes one streaming call and returns the text.
func askModel(ctx context.Context, base, key string, talk []demoMessage) (string, error) {
	body, err := json.Marshal(map[string]any{"model": demoModel, "stream": true, "max_tokens": 100, "messages": talk})
	if err != nil {
		return "", err
	}
	resp, err := demoRequest(ctx, http.MethodPost, base+"/chat/completions", key, body)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var text strings.Builder
	lines := bufio.NewScanner(io.LimitReader(resp.Body, 1<<20))
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok || data == "[DONE]" {
			continue
		}
		var chunk struct {
			Choices []struct{ Delta struct{ Content string } }
		}
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			return "", err
		}
		for _, c := range chunk.Choices {
			text.WriteString(c.Delta.Content)
		}
	}
	return text.String(), lines.Err()
}

// readBalance asks the gateway what the agent's own run has spent.
func readBalance(ctx context.Context, base, key string) (spent, budget ledger.Micros, err error) {
	resp, err := demoRequest(ctx, http.MethodGet, base+"/aex/budget", key, nil)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	var balance struct {
		Accounts []struct {
			Budget *ledger.Micros `json:"budget_micro"`
			Spent  ledger.Micros  `json:"spent_micro"`
		}
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&balance); err != nil {
		return 0, 0, err
	}
	for _, acc := range balance.Accounts {
		if acc.Budget != nil {
			return acc.Spent, *acc.Budget, nil
		}
	}
	return 0, 0, errors.New("there is no budget")
}

func demoRequest(ctx context.Context, method, url, key string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode == http.StatusOK {
		return resp, err
	}
	defer resp.Body.Close()
	var refusal struct{ Error struct{ Message string } }
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&refusal); err != nil {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil, fmt.Errorf("%d %s", resp.StatusCode, refusal.Error.Message)
}
