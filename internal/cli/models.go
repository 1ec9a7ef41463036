package cli

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

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
		a.modelsListCommand(), a.modelsPriceCommand(), a.initFileCommand(writtenModels), a.schemaCommand(writtenModels), a.outsideOnly(a.modelsReloadCommand()), a.outsideOnly(a.modelsUpdateCommand()))
}

// loadModels reads prices and models as a run from here would.
func (a *app) loadModels(prices []string) (*settings, *policy.Registry, error) {
	s, err := a.settings()
	if err != nil {
		return nil, nil, err
	}
	r, err := s.registry(prices, "")
	if err != nil {
		return nil, nil, err
	}
	for _, w := range r.Warnings {
		fmt.Fprintln(a.stderr, "aex: warning: "+printable(w))
	}
	return s, r, nil
}

func (a *app) modelsListCommand() *cobra.Command {
	cmd := a.jsonFlag(&cobra.Command{
		Use: "list [PATTERN...]", Short: "list the models that can be called, and their prices",
		Long: `list names the models of models.yaml and, of each provider whose key is known,
those of the price catalogue; or only those whose names match a PATTERN: * is
anything, ? one letter.`,
		Example: "  aex models list\n  aex models list 'claude-*' 'gpt-4o*'",
		RunE: func(_ *cobra.Command, patterns []string) error {
			s, r, err := a.loadModels(nil)
			if err != nil {
				return err
			}
			views := []modelView{}
			all := r.Models()
			for _, m := range all {
				if policy.Matches(patterns, m.Name) {
					views = append(views, viewModel(m))
				}
			}
			if len(views) == 0 && len(all) > 0 {
				return noModel(patterns, all)
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
	return a.arguments(cmd, true, takesModel)
}

// noModel is the error for patterns that no model matches.
func noModel(patterns []string, all []policy.Model) error {
	hint := "* is anything, ? one letter: aex models list 'gpt-4o*'"
	for _, m := range all {
		if strings.Contains(strings.ToLower(m.Name), strings.ToLower(strings.Trim(patterns[0], "*"))) {
			hint = fmt.Sprintf("did you mean: aex models list '*%s*'", strings.Trim(patterns[0], "*"))
			break
		}
	}
	return hinted(fmt.Errorf("no model of %d matches %s", len(all), strings.Join(patterns, " ")), "%s", hint)
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
	a.printTable([]column{left("model"), left("provider"), left("sent as"), right("in ($/Mtok)"), right("out ($/Mtok)"),
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
		Example: "  aex models price gpt-4o-mini\n  aex models price gpt-4o-mini --input 1000 --output 200",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return exactly("MODEL")(cmd, args)
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
					return hinted(fmt.Errorf("model %s: %w", name, err), "see what there is: aex models list '*%s*'; or give it a price: --price %s=IN/OUT, or pricing in models.yaml", name, name)
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
	a.takes(cmd, map[string]kind{"price": takesPrice, "wire": {name: "WIRE", complete: words("chat", "responses", "completions", "embeddings", "messages", "gemini")}})
	return a.arguments(cmd, true, takesModel)
}

// resolveOn finds a model on a wire, or on the first wire that knows it. The
// error is that of the first.
func resolveOn(r *policy.Registry, name, model string) (policy.Model, error) {
	if w := wire.Named(name); w != nil {
		return r.Resolve(w.Dialect, model, false)
	}
	var first error
	for _, w := range wire.All() {
		m, err := r.Resolve(w.Dialect, model, false)
		if err == nil {
			return m, nil
		}
		if first == nil {
			first = err
		}
	}
	return policy.Model{}, first
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
