// Command assault attacks aex as hostile programs, users, providers and
// machines would, counts, and prints one table: what was tried, and what came
// of it. Everything but the first column has to be 0. `make assault` runs its
// short form, in two minutes, and LONG=1 the long one, which
// docs/assurance.md quotes.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

// sizes are how often each attack is made.
type sizes struct {
	calls, lies, raw, kills, callers, trees, policies, stops, disks, clocks int
}

var (
	short = sizes{calls: 1500, lies: 200, raw: 24, kills: 12, callers: 80, trees: 6, policies: 40, stops: 20, disks: 4, clocks: 200}
	long  = sizes{calls: 1_000_000, lies: 20_000, raw: 2000, kills: 1000, callers: 500, trees: 200, policies: 40, stops: 300, disks: 100, clocks: 10_000}
)

func main() {
	if role := os.Getenv("AEX_ASSAULT_ROLE"); role != "" {
		os.Exit(play(role, os.Args[1:]))
	}
	isLong := flag.Bool("long", false, "the long form")
	within := flag.Duration("within", 0, "how long one kind of attack may take before it stops trying; 0: as long as it takes")
	only := flag.String("only", "", "kinds of attack, by the beginnings of their names: calls,kills")
	seed := flag.Int64("seed", time.Now().UnixNano(), "of what is random")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "assault: name the binary of aex to attack")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	code, err := assault(ctx, flag.Arg(0), *isLong, *within, *only, *seed)
	if err != nil {
		fmt.Fprintln(os.Stderr, "assault:", err)
		code = 1
	}
	os.Exit(code)
}

// assault makes every attack and prints the table.
func assault(ctx context.Context, binary string, isLong bool, within time.Duration, only string, seed int64) (code int, err error) {
	binary, err = filepath.Abs(binary)
	if err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "aex-assault-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	a := &attacker{ctx: ctx, binary: binary, dir: dir, sizes: short, seed: seed, within: within}
	if isLong {
		a.sizes = long
	}
	fmt.Printf("assault: seed %d\n", seed)
	for _, kind := range a.kinds() {
		if ctx.Err() != nil || !wanted(only, kind.name) {
			continue
		}
		began := time.Now()
		if within > 0 {
			a.until = began.Add(within)
		}
		row := &row{name: kind.name}
		if err := kind.try(row); err != nil {
			row.fault("%v", err)
		}
		row.took = time.Since(began)
		a.table = append(a.table, row)
		fmt.Printf("%s\n%s", row.line(), row.aside())
	}
	fmt.Println()
	fmt.Print(a.print())
	return a.code(), nil
}

func wanted(only, name string) bool {
	if only == "" {
		return true
	}
	for part := range strings.SplitSeq(only, ",") {
		if strings.HasPrefix(name, part) {
			return true
		}
	}
	return false
}

// kind is one kind of attack.
type kind struct {
	name string
	try  func(*row) error
}

func (a *attacker) kinds() []kind {
	return []kind{
		{"calls on every wire", a.hostileCalls}, {"lying providers", a.lyingProviders}, {"answers that are no HTTP", a.rawAnswers},
		{"kills at random instants", a.kills}, {"callers on the last cent", a.lastCent}, {"trees that resist", a.trees},
		{"policies to pass", a.policies}, {"stopped processes", a.stopped}, {"disks that fill or vanish", a.disks}, {"clocks that jump", a.clocks},
	}
}
