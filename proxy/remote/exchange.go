package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/Auro-rium/aex/v3/proxy"
)

// asAgent asks a gateway with the agent's token. One that was minted for a job
// and has ended is minted anew.
func (g *Gateways) asAgent(ctx context.Context, base, path string, answer any) error {
	token, fresh, err := g.agentToken(ctx, base)
	if err != nil {
		return err
	}
	err = g.tell(ctx, base, token, http.MethodPost, path, g.ask, answer)
	var refused *Refused
	if fresh || g.o.Token != "" || !errors.As(err, &refused) || refused.Code != "invalid_token" {
		return err
	}
	g.mint("")
	if token, _, err = g.agentToken(ctx, base); err != nil {
		return err
	}
	return g.tell(ctx, base, token, http.MethodPost, path, g.ask, answer)
}

// agentToken is the agent's token, exchanged for the CI's where there is none.
func (g *Gateways) agentToken(ctx context.Context, base string) (token string, fresh bool, err error) {
	g.mu.Lock()
	token = g.minted
	g.mu.Unlock()
	if g.o.Token != "" {
		token = g.o.Token
	}
	if token != "" {
		return token, false, nil
	}
	proof, err := g.o.Proof(ctx, g.connection())
	if err != nil {
		return "", false, fmt.Errorf("getting the job's token: %w", err)
	}
	var minted proxy.Exchanged
	if err := g.tell(ctx, base, proof, http.MethodPost, "/token", nil, &minted); err != nil {
		return "", false, fmt.Errorf("exchanging the job's token: %w", err)
	}
	g.mint(minted.Token)
	return minted.Token, true, nil
}

func (g *Gateways) mint(token string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.minted = token
}

// GitHubProof asks GitHub Actions for a token of the job, for an audience, as
// its environment says.
func GitHubProof(address, bearer, audience string) func(context.Context, *http.Client) (string, error) {
	return func(ctx context.Context, client *http.Client) (string, error) {
		u, err := url.Parse(address)
		if err != nil || CheckURL(u.Scheme+"://"+u.Host) != nil {
			return "", errors.New("ACTIONS_ID_TOKEN_REQUEST_URL is not an address that begins with https://")
		}
		query := u.Query()
		query.Set("audience", audience)
		u.RawQuery = query.Encode()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return "", err
		}
		req.Header.Set("Authorization", "Bearer "+bearer)
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err != nil {
			return "", err
		}
		var answer struct{ Value string }
		if resp.StatusCode != http.StatusOK || json.Unmarshal(body, &answer) != nil || answer.Value == "" {
			return "", fmt.Errorf("%s answers %s without a token; has the job the permission id-token: write?", u.Host, resp.Status)
		}
		return answer.Value, nil
	}
}
