package proxy

import (
	"strings"
	"testing"
)

// An answer is read to its end, however long it was said to be, and in one piece
// where it is as long as that.
func TestAnswersAreReadToTheirEnd(t *testing.T) {
	for _, size := range []int{0, 1, 765, 2047, 2048, 2049, 100_000} {
		text := strings.Repeat("x", size)
		for _, said := range []int{-1, 0, 1, size - 1, size, size + 1, 1 << 30} {
			var got strings.Builder
			pieces := 0
			must(t, read(strings.NewReader(text), int64(said), func(p []byte) bool {
				got.Write(p)
				pieces++
				return true
			}))
			if got.String() != text {
				t.Errorf("%d bytes said to be %d: %d came", size, said, got.Len())
			}
			if said == size && 0 < size && size < 2048 && pieces != 1 {
				t.Errorf("%d bytes in %d pieces", size, pieces)
			}
		}
	}
}
