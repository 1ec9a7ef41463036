package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/internal/owned"
	"github.com/Auro-rium/aex/v3/internal/whole"
	"github.com/Auro-rium/aex/v3/policy"
)

// catalogueURL is where models update looks without --from.
const catalogueURL = "https://raw.githubusercontent.com/Auro-rium/aex/main/policy/prices.json"

// maxCatalogue bounds what models update reads.
const maxCatalogue = 16 << 20

func (a *app) modelsUpdateCommand() *cobra.Command {
	from, reset := catalogueURL, false
	cmd := a.jsonFlag(&cobra.Command{
		Use: "update", Short: "get a newer price catalogue into aex's home", Args: none,
		Long: `update checks a price catalogue and puts it into aex's home, where it takes the
place of the built-in one. What is booked already keeps the price it was booked at.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case reset && cmd.Flags().Changed("from"):
				return usageError("--reset and --from exclude each other")
			case from == "":
				return usageError("--from is a file or an https URL")
			}
			return a.updateModels(cmd.Context(), from, reset)
		},
	})
	cmd.Flags().StringVar(&from, "from", from, "file or https URL of the catalogue")
	cmd.Flags().BoolVar(&reset, "reset", false, "go back to the built-in catalogue")
	a.takes(cmd, map[string]kind{"from": {name: "FILE|URL", files: true}})
	return cmd
}

func (a *app) updateModels(ctx context.Context, from string, reset bool) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	path := filepath.Join(s.home, "prices.json")
	if reset {
		if err := removeQuietly(path); err != nil {
			return fmt.Errorf("removing the catalogue: %w", err)
		}
		return a.updated(ctx, s, "the built-in price catalogue is used again", map[string]any{"reset": true})
	}
	data, err := readCatalogue(ctx, from)
	if err != nil {
		return hinted(fmt.Errorf("getting the price catalogue: %w", err), "get it elsewhere and name the file: aex models update --from FILE")
	}
	date, models, err := policy.CheckCatalogue(data)
	if err != nil {
		return hinted(fmt.Errorf("%s is not a price catalogue: %w", from, err), "nothing was changed; make prices makes one")
	}
	if err := owned.MkdirAll(s.home, 0o700); err != nil {
		return fmt.Errorf("making aex's home: %w", err)
	}
	err = writeWhole(path, 0o600, func(w io.Writer) error { _, err := w.Write(data); return err })
	if err != nil {
		return err
	}
	return a.updated(ctx, s, fmt.Sprintf("%d models, prices of %s", models, date), map[string]any{"models": models, "date": date, "file": path})
}

// updated tells what changed, and that a running server has to be told.
func (a *app) updated(ctx context.Context, s *settings, text string, view map[string]any) error {
	if v := a.lookAtDaemon(ctx, s); v.Running {
		fmt.Fprintln(a.stderr, "aex: hint: the running server goes on with the old prices until: aex models reload")
	}
	if a.json {
		return a.printJSON(view)
	}
	a.printf("%s", text)
	return nil
}

// readCatalogue reads a file, or a URL over https (or from this machine).
func readCatalogue(ctx context.Context, from string) ([]byte, error) {
	u, err := url.Parse(from)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return whole.Read(from, maxCatalogue)
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, errors.New("prices over plain http could be anybody's; use https")
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "aex/"+Version)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "Get "))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", u.Host, resp.Status)
	}
	return readBounded(resp.Body)
}

func readBounded(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxCatalogue+1))
	if err == nil && len(data) > maxCatalogue {
		err = fmt.Errorf("it is larger than %d MiB", maxCatalogue>>20)
	}
	return data, err
}
