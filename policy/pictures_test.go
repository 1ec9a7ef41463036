package policy

import "testing"

// TestPictures are the providers' formulas at sizes that tell their parts apart.
func TestPictures(t *testing.T) {
	claude, gemini := Model{Provider: Provider{Type: TypeAnthropic}}, Model{Provider: Provider{Type: TypeGemini}}
	sized := func(w, h int) Image { return Image{Width: w, Height: h} }
	for _, c := range []struct {
		name  string
		wire  string
		m     Model
		image Image
		want  int64
	}{
		{"Anthropic by its wire", Messages, Model{}, sized(750, 100), 100 + 128},
		{"by its provider", Chat, claude, sized(750, 100), 100 + 128},
		{"at most", Messages, claude, sized(9_000, 9_000), 4784 + 128},
		{"of no size", Messages, claude, Image{}, 4784 + 128},
		{"without a width", Messages, claude, sized(0, 5), 4784 + 128},
		{"without a height", Messages, claude, sized(5, 0), 4784 + 128},
		{"as wide as can be", Messages, claude, sized(1<<16, 1), 87 + 128},
		{"wider", Messages, claude, sized(1<<16+1, 1), 4784 + 128},
		{"as high as can be", Messages, claude, sized(1, 1<<16), 87 + 128},
		{"higher", Messages, claude, sized(1, 1<<16+1), 4784 + 128},
		{"Google by its wire", Gemini, Model{}, sized(100, 100), 2240},
		{"by its provider", Chat, gemini, sized(100, 100), 2240},
		{"of no size", Gemini, gemini, Image{}, 32_768},
		{"the largest tiles", Gemini, gemini, sized(8_000, 6_000), 258 * 11 * 8},
		{"the smallest tiles", Gemini, gemini, sized(3_000, 200), 258 * 12},
		{"tiles between", Gemini, gemini, sized(6_000, 900), 258 * 10 * 2},
		{"upright", Gemini, gemini, sized(900, 6_000), 258 * 10 * 2},
	} {
		if got := imageTokens(c.image, c.wire, c.m); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestMediaOfNoBelievableSize: what says that it is larger than any body, or
// smaller than nothing, takes nothing from the text and may fill the window.
func TestMediaOfNoBelievableSize(t *testing.T) {
	m := Model{Context: 70_000}
	for _, part := range []Media{{Type: "wav", Bytes: 1<<40 + 1}, {Type: "wav", Bytes: -1}, {Type: "wav"}, {Type: "wav", Bytes: 150, Remote: true}, {Type: "text/plain", Bytes: 150, Remote: true}} {
		if got := mediaTokens(part, m); got != 70_000 {
			t.Errorf("%+v: %d tokens", part, got)
		}
	}
	for _, c := range []struct {
		part Media
		m    Model
		want int64
	}{
		{Media{Type: "flac", Bytes: 150}, m, 70_000}, {Media{Type: "wav", Bytes: 150}, m, 70_000}, {Media{Millis: maxMillis + 1}, m, 70_000},
		{Media{Type: "wav", Bytes: 150, Millis: 2_000}, m, 200 + 64},
		{Media{Millis: 2_000}, Model{Provider: Provider{Type: TypeGemini}}, 64 + 64},
		{Media{Millis: 2_000}, Model{Provider: Provider{PriceAs: openAI}}, 64 + 64},
	} {
		if got := mediaTokens(c.part, c.m); got != c.want {
			t.Errorf("%+v: %d tokens, want %d", c.part, got, c.want)
		}
	}
	for bytes, want := range map[int64]int64{300: 600, 0: 1_000, -300: 1_000, 1<<40 + 1: 1_000} {
		if got := textBytes(Call{BodyBytes: 1_000, Images: []Image{{Bytes: bytes}}}); got != want {
			t.Errorf("a picture of %d bytes leaves %d of text, want %d", bytes, got, want)
		}
	}
	if got := textBytes(Call{BodyBytes: 100, Images: []Image{{Bytes: 300}}}); got != 0 {
		t.Errorf("a picture larger than its body leaves %d", got)
	}
	words := Call{BodyBytes: 1_000, Files: []Media{{Type: "text/plain", Bytes: 300}, {Type: "application/json", Bytes: 300}, {Type: "application/pdf", Bytes: 300}}}
	if got := textBytes(words); got != 600 {
		t.Errorf("of two texts and a document %d bytes are text", got)
	}
}
