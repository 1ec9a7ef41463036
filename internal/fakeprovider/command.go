package fakeprovider

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Command runs a provider of its own until ctx ends. The first line on stdout
// is "listening on http://HOST:PORT"; with prices, the last is the bill's total.
func Command(ctx context.Context, args []string, stdout io.Writer) error {
	f := pflag.NewFlagSet("fake-provider", pflag.ContinueOnError)
	f.SetOutput(stdout)
	f.Usage = usage(f, stdout)
	listen := f.String("listen", "127.0.0.1:0", "address to listen on")
	var o Options
	f.StringVar(&o.Key, "key", "", "the key it takes (none: any request)")
	f.StringSliceVar(&o.Models, "models", nil, "models it lists")
	f.BoolVar(&o.Strict, "strict", false, "refuse models that it does not list")
	f.BoolVar(&o.Lean, "lean", false, "keep the bill summed, without bodies")
	f.Int64Var(&o.Seed, "seed", 0, "moves the words of every answer")
	f.Int64Var(&o.BytesPerToken, "bytes-per-token", 4, "bytes of a prompt that make a token")
	bare := f.Bool("no-hidden", false, "add no hidden prompt tokens")
	f.Int64Var(&o.Behaviour.OutputTokens, "output-tokens", defaultOutput, "tokens of an answer")
	f.Int64Var(&o.Behaviour.ToolRounds, "tool-rounds", 0, "calls of a tool in a row that \"[[tool NAME ARGS]]\" in a prompt brings about (0: one)")
	f.Int64Var(&o.Behaviour.ChunkTokens, "chunk-tokens", 1, "tokens of a streamed chunk")
	f.DurationVar(&o.Behaviour.DelayHeaders, "delay", 0, "wait before an answer")
	f.DurationVar(&o.Behaviour.DelayChunk, "delay-chunk", 0, "wait before a streamed chunk")
	f.StringVar((*string)(&o.Behaviour.Fault), "fault", "", "fault of every answer")
	f.IntVar(&o.Behaviour.OneIn, "one-in", 0, "the fault happens to one answer in so many (0: to each)")
	f.IntVar(&o.Behaviour.After, "after", 0, "content chunks before a fault in mid-stream")
	specs := f.StringArray("price", nil, "MODEL=IN/OUT, dollars per million tokens; * is any model")
	if err := f.Parse(args); err != nil {
		return fmt.Errorf("reading the flags: %w", err)
	}
	if err := o.Behaviour.check(); err != nil {
		return err
	}
	if *bare {
		o.Hidden = &Hidden{}
	}
	prices := map[string]Price{}
	for _, spec := range *specs {
		model, price, err := ParsePrice(spec)
		if err != nil {
			return err
		}
		prices[model] = price
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	p := New(o)
	fmt.Fprintf(stdout, "listening on http://%s\n", l.Addr())
	start := time.Now()
	if err := p.Serve(ctx, l); err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	if len(prices) == 0 {
		return nil
	}
	total, err := p.Total(prices)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "billed %d micro-dollars in %s\n", total, time.Since(start).Round(time.Millisecond))
	return nil
}

// usage shows switches as the help of aex's other commands does.
func usage(f *pflag.FlagSet, to io.Writer) func() {
	return func() {
		fmt.Fprint(to, "Usage of fake-provider:\n", strings.ReplaceAll(f.FlagUsages(), "[=true|false]", ""))
	}
}
