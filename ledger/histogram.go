package ledger

import (
	"slices"
	"time"
)

// LatencyBounds and FirstTokenBounds are the upper bounds, in milliseconds, of
// the histograms that the ledger keeps: those which the OpenTelemetry semantic
// conventions for generative AI ask for (gen_ai.client.operation.duration and
// gen_ai.server.time_to_first_token).
var (
	LatencyBounds    = [14]int64{10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 20480, 40960, 81920}
	FirstTokenBounds = [16]int64{1, 5, 10, 20, 40, 60, 80, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000}
)

// bucket is the place in a histogram of a duration.
func bucket(bounds []int64, d time.Duration) int {
	i, _ := slices.BinarySearchFunc(bounds, d, func(bound int64, d time.Duration) int {
		return int(time.Duration(bound)*time.Millisecond - d)
	})
	return i
}

// Quantile estimates, from a histogram, the duration that the given hundredths
// of the calls stay below; ok is false without any. Between two bounds it goes
// in a straight line, as Prometheus does, and above the last it is the last.
func Quantile(bounds, counts []int64, percent int64) (d time.Duration, ok bool) {
	var all int64
	for _, n := range counts {
		all += n
	}
	if all == 0 {
		return 0, false
	}
	rank := float64(all) * float64(percent) / 100
	var below, low int64
	for i, n := range counts {
		if i == len(bounds) {
			break
		}
		if n > 0 && float64(below+n) >= rank {
			part := (rank - float64(below)) / float64(n)
			return time.Duration((float64(low) + part*float64(bounds[i]-low)) * float64(time.Millisecond)), true
		}
		below += n
		low = bounds[i]
	}
	return time.Duration(low) * time.Millisecond, true
}
