package policy

import "strings"

const (
	// defaultContext stands where a model's window is not known: no current
	// model that is billed by the token reads more in one turn.
	defaultContext = 2_000_000
	// defaultMaxOutput stands where a model's longest answer is not known.
	defaultMaxOutput = 128_000
)

// textBytes is the body without the media in it, which are bounded apart.
// Base64 takes four bytes for three, so no text is taken away.
func textBytes(c Call) int64 {
	n := c.BodyBytes
	for _, i := range c.Images {
		n -= encoded(i.Bytes)
	}
	for _, parts := range [][]Media{c.Audio, c.Files} {
		for _, part := range parts {
			if !isText(part) {
				n -= encoded(part.Bytes)
			}
		}
	}
	return max(n, 0)
}

func encoded(bytes int64) int64 {
	if bytes <= 0 || bytes > maxBodyBytes {
		return 0
	}
	return bytes * 4 / 3
}

// imageTokens bounds one image. The formulas are the providers' own; where the
// size or the family is not known, the largest that they can give.
func imageTokens(i Image, wire string, m Model) int64 {
	sized := i.Width > 0 && i.Height > 0 && i.Width <= 1<<16 && i.Height <= 1<<16
	w, h := int64(i.Width), int64(i.Height)
	switch {
	case wire == Messages || m.Provider.Type == TypeAnthropic:
		// (width x height) / 750 after scaling to at most 2,576 pixels on the
		// longer side; 4,784 is the most that Anthropic publishes.
		if sized {
			return min(w*h/750+128, 4784+128)
		}
		return 4784 + 128
	case wire == Gemini || m.Provider.Type == TypeGemini:
		// 258 a tile; a tile's side is the shorter side / 1.5, between 256 and
		// 768 pixels. Newer models use 2,240 at most.
		if sized {
			side := min(max(min(w, h)*2/3, 256), 768)
			return max(258*ceil(w, side)*ceil(h, side), 2240)
		}
		return 32_768
	case m.Provider.PriceAs == openAI:
		return openAIImage(i, w, h, sized, m)
	}
	// Others serve OpenAI's models too, or those with the largest vision
	// encoder in use, Qwen-VL's.
	return max(16_384, openAIImage(i, w, h, sized, m))
}

// openAIImage knows two formulas: tiles of 512 pixels after scaling into
// 2,048 x 2,048 (85+170 a tile; gpt-4o-mini 2,833+5,667), and patches of 32
// pixels, at most 1,536 (10,000 in original detail), times up to 2.46. The
// greater of both is taken, so that a model's family need not be known.
func openAIImage(i Image, w, h int64, sized bool, m Model) int64 {
	base, tile := int64(85), int64(170)
	if multiplied(m) {
		base, tile = 2833, 5667
	}
	if i.Detail == "low" {
		return max(base, 640)
	}
	tiles, patches := int64(8), int64(10_000)
	if sized {
		tiles = min(tiles, ceil(w, 512)*ceil(h, 512))
		patches = min(patches, ceil(w, 32)*ceil(h, 32))
	}
	if i.Detail == "high" {
		patches = min(patches, 2500)
	}
	return max(base+tile*tiles, patches*246/100+1)
}

// multiplied tells of a model that bills an image at many times the tokens that
// it takes up, so that its window does not bound them.
func multiplied(m Model) bool { return strings.Contains(m.Sent, "gpt-4o-mini") }

// mediaTokens bounds one audio, video, file or document part.
func mediaTokens(part Media, m Model) int64 {
	switch {
	case part.Millis > 0 && part.Millis <= maxMillis:
		return part.Millis*soundTokens(m)/1000 + 64
	case part.Remote || part.Bytes <= 0 || part.Bytes > maxBodyBytes:
		return window(m)
	case isText(part):
		return 0 // its bytes are counted with the body's
	}
	// Documents, videos and most sound are compressed without a bound that their
	// size shows.
	return window(m)
}

// maxMillis is longer than any sound that a call takes: ten years.
const maxMillis = 1 << 38

// soundTokens is how many tokens a second of sound makes at most: 32 at Google,
// 10 at OpenAI, and elsewhere the 100 frames of Whisper's encoder, the finest in
// use.
func soundTokens(m Model) int64 {
	if m.Provider.Type == TypeGemini || m.Provider.PriceAs == openAI {
		return 32
	}
	return 100
}

func isText(part Media) bool {
	return !part.Remote && (strings.HasPrefix(part.Type, "text/") || part.Type == "application/json")
}

func ceil(n, by int64) int64 { return (n + by - 1) / by }
