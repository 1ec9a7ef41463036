package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
)

// catalogueURL is where models update looks without --from.
const catalogueURL = "https://raw.githubusercontent.com/Auro-rium/aex/main/policy/prices.json"

// maxCatalogue bounds what models update reads.
const maxCatalogue = 16 << 20

// modelView is a model as --json prints it. Rates are micro-dollars per
// million tokens: what a million tokens cost.
type modelView struct {
	Name      string `json:"name"`
	Provider  string `json:"provider"`
	Sent      string `json:"sent"`
	Input     *int64 `json:"input_micro_per_mtok"`
	Output    *int64 `json:"output_micro_per_mtok"`
	CacheRead *int64 `json:"cache_read_micro_per_mtok,omitempty"`
	MaxOutput int64  `json:"max_output_tokens,omitempty"`
	Context   int64  `json:"context_tokens,omitempty"`
	Source    string `json:"price_source"`
	Version   string `json:"price_version"`
	Assumed   bool   `json:"price_assumed,omitempty"`

	Cost  *ledger.Micros `json:"cost_micro,omitempty"` // of the usage that was given
	Local bool           `json:"local,omitempty"`
}

// perMTok turns pico-dollars a token into micro-dollars per million tokens:
// the same number.
func perMTok(p *policy.Pico) *int64 {
	if p == nil {
		return nil
	}
	n := int64(*p)
	return &n
}

func viewModel(m policy.Model) modelView {
	return modelView{
		Name: m.Name, Provider: m.Provider.Name, Sent: m.Sent, Input: perMTok(m.Price.Input), Output: perMTok(m.Price.Output),
		CacheRead: perMTok(m.Price.CacheRead), MaxOutput: m.MaxOutput, Context: m.Context, Source: m.Price.Source,
		Version: m.Price.Version, Assumed: m.Price.Assumed, Local: m.Provider.Local,
	}
}

func (a *app) modelsCommand() *cobra.Command {
	return group("models", "look at models and their prices",
		a.modelsListCommand(), a.modelsPriceCommand(), a.modelsReloadCommand(), a.modelsUpdateCommand())
}

// loadModels reads prices and models as a run from here would.
func (a *app) loadModels(prices []string) (*settings, *policy.Registry, error) {
	s, err := a.settings()
	if err != nil {
		return nil, nil, err
	}
	r, err := s.registry(prices)
	if err != nil {
		return nil, nil, hinted(err, "correct it; docs/models.md tells what models.yaml may say")
	}
	for _, w := range r.Warnings {
		fmt.Fprintln(a.stderr, "aex: warning: "+printable(w))
	}
	return s, r, nil
}

func (a *app) modelsListCommand() *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use: "list", Short: "list the models that can be called, and their prices",
		Long: "list names the models of models.yaml and, of each provider whose key is known, those of the price catalogue.",
		Args: none,
		RunE: func(*cobra.Command, []string) error {
			s, r, err := a.loadModels(nil)
			if err != nil {
				return err
			}
			views := []modelView{}
			for _, m := range r.Models() {
				views = append(views, viewModel(m))
			}
			if a.json {
				return a.printJSON(views)
			}
			if len(views) == 0 {
				a.printf("no models: no provider key is set, and %s names none", printable(s.modelsFile))
				return nil
			}
			a.printModels(views)
			return nil
		},
	})
}

func (a *app) printModels(views []modelView) {
	var rows [][]string
	for _, v := range views {
		source := v.Source
		switch {
		case v.Local:
			source = "local"
		case v.Assumed:
			source += ", assumed"
		}
		rows = append(rows, []string{v.Name, v.Provider, v.Sent, perMillion(v.Input), perMillion(v.Output), orDash(v.MaxOutput), orDash(v.Context), source})
	}
	a.printTable([]column{left("model"), left("provider"), left("sent as"), right("in $/m"), right("out $/m"),
		right("max output"), right("context"), left("price from")}, rows)
}

func orDash(n int64) string {
	if n == 0 {
		return "-"
	}
	return count(n)
}

// perMillion prints micro-dollars as dollars.
func perMillion(micro *int64) string {
	if micro == nil {
		return "-"
	}
	text, err := usd(*micro).MarshalJSON()
	if err != nil {
		return "-" // it has no error
	}
	return string(text)
}

func (a *app) modelsPriceCommand() *cobra.Command {
	var prices []string
	var usage usageFlags
	wire := ""
	cmd := a.jsonFlag(&cobra.Command{
		Use: "price MODEL...", Short: "tell what a model costs, and where that is from",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return exactly("model")(cmd, args)
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if err := usage.check(wire); err != nil {
				return err
			}
			_, r, err := a.loadModels(prices)
			if err != nil {
				return err
			}
			views := []modelView{}
			for _, name := range args {
				m, err := resolveOn(r, wire, name)
				if errors.Is(err, policy.ErrUnpriced) || errors.Is(err, policy.ErrUnknownModel) {
					return hinted(fmt.Errorf("model %s: %w", name, err), "give it one: --price %s=IN/OUT, or pricing in models.yaml", name)
				}
				if err != nil {
					return fmt.Errorf("model %s: %w", name, err)
				}
				view := viewModel(m)
				if view.Cost, err = usage.cost(m); err != nil {
					return err
				}
				views = append(views, view)
			}
			if a.json {
				return a.printJSON(views)
			}
			a.printModels(views)
			for _, v := range views {
				if v.Cost != nil {
					a.printf("%s: this usage costs %s", printable(v.Name), *v.Cost)
				}
			}
			return nil
		},
	})
	usage.add(cmd.Flags())
	cmd.Flags().StringArrayVar(&prices, "price", nil, "price of a model: `MODEL=IN/OUT` in dollars per million tokens")
	cmd.Flags().StringVar(&wire, "wire", wire, "the API it is asked for on: chat, responses, completions, embeddings, messages, gemini (default: the first that knows it)")
	return cmd
}

// resolveOn finds a model on a wire, or on the first wire that knows it. The
// error is that of the first.
func resolveOn(r *policy.Registry, wire, name string) (policy.Model, error) {
	if wire != "" {
		return r.Resolve(wire, name, false)
	}
	m, first := r.Resolve(policy.Chat, name, false)
	if first == nil {
		return m, nil
	}
	for _, wire := range []string{policy.Messages, policy.Gemini, policy.Embeddings, policy.Completions} {
		if m, err := r.Resolve(wire, name, false); err == nil {
			return m, nil
		}
	}
	return m, first
}

func (a *app) modelsReloadCommand() *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use: "reload", Short: "let the running server read models.yaml and .env again", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var answer map[string]string
			if err := a.ask(cmd.Context(), http.MethodPost, "/admin/reload_config", &answer); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(answer)
			}
			a.printf("%s", printable(answer["message"]))
			return nil
		},
	})
}

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
	cmd.Flags().StringVar(&from, "from", from, "`FILE` or https URL of the catalogue")
	cmd.Flags().BoolVar(&reset, "reset", false, "go back to the built-in catalogue")
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
	if err := os.MkdirAll(s.home, 0o700); err != nil {
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
		f, err := os.Open(from)
		if err != nil {
			return nil, err
		}
		defer f.Close() // only read
		return readBounded(f)
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
