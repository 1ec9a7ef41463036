package proxy

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// draw makes requests and prices at random.
type draw struct {
	*rand.Rand
	width, height uint32 // of the pictures in one request
}

func (d *draw) pick(of ...string) string { return of[d.IntN(len(of))] }
func (d *draw) chance(one int) bool      { return d.IntN(one) == 0 }

// drawn are the models of models.yaml whose prices are drawn, one a provider.
var drawn = []struct{ provider, model string }{{"openai", "drawn"}, {"anthropic", "drawn-claude"}, {"google", "drawn-gemini"}}

// models is a models.yaml, and its prices as the provider's bill has them.
func (d *draw) models() (text string, prices map[string]fakeprovider.Price) {
	text, prices = "version: 1\nmodels:\n", map[string]fakeprovider.Price{}
	for _, m := range drawn {
		var figures []string
		if d.chance(20) {
			figures = []string{"9999.999999"}
		}
		for len(figures) < 5 { // dollars per million tokens, of any size and to the last place
			figures = append(figures, d.pick("0", "0.000001", "0.15", "0.6", "1.234567", "2.5", "75", fmt.Sprintf("%d.%06d", d.IntN(40), d.IntN(1_000_000))))
		}
		_, price, err := fakeprovider.ParsePrice(m.model + "=" + strings.Join(figures, "/"))
		if err != nil {
			panic(err)
		}
		prices[m.model] = price
		text += fmt.Sprintf("  %s: {provider: %s, pricing: {", m.model, m.provider)
		for i, class := range []string{"input", "output", "cache_read", "cache_write_5m", "cache_write_1h"} {
			text += fmt.Sprintf("%s_usd_per_mtok: %q, ", class, figures[i])
		}
		text = strings.TrimSuffix(text, ", ") + "}}\n"
	}
	return text, prices
}

type drawnRequest struct {
	wire, path, body string
	how              fakeprovider.Behaviour
}

// request draws a call. The models of the catalogue bring its tiers and its
// bands for long prompts.
func (d *draw) request() drawnRequest {
	r := drawnRequest{wire: d.pick(policy.Chat, policy.Responses, policy.Completions, policy.Embeddings, policy.Messages, policy.Gemini)}
	r.how = fakeprovider.Behaviour{OutputTokens: int64(d.IntN(3000)) - 1, ChunkTokens: 500, CachedTokens: int64(d.IntN(400))}
	if d.chance(3) && r.wire != policy.Completions {
		r.how.ReasoningTokens = int64(d.IntN(900))
	}
	limit := strconv.Itoa(16 + d.IntN(4000))
	if d.chance(2) {
		r.how.OutputTokens = 4016 // the cap is what ends it
	}
	if d.chance(3) {
		limit, r.how.OutputTokens = strconv.Itoa(9000+d.IntN(50_000)), int64(d.IntN(20_000))
	}
	side := 1 + d.IntN(4000)
	d.width, d.height = uint32(1+d.IntN(side)), uint32(1+d.IntN(side))
	stream := d.chance(2) && r.wire != policy.Embeddings
	var body []string
	switch r.wire {
	case policy.Messages:
		r.path, body = "/v1/messages", d.messages(limit)
		d.cacheWrites(&r, &body)
	case policy.Gemini:
		model, action := d.pick("drawn-gemini", "gemini-2.5-flash", "gemini-2.5-pro"), "generateContent"
		if stream {
			action = "streamGenerateContent?alt=sse"
		}
		r.path, body = "/v1beta/models/"+model+":"+action, d.gemini(limit)
	default:
		r.path, body = "/v1/"+map[string]string{policy.Chat: "chat/completions", policy.Responses: "responses", policy.Completions: "completions",
			policy.Embeddings: "embeddings"}[r.wire], d.openAI(r.wire, limit)
		if d.chance(3) && (r.wire == policy.Chat || r.wire == policy.Responses) {
			r.how.ServedTier, r.how.KeepTier = d.pick("flex", "priority", "default"), true
		}
		if strings.Contains(body[0], "drawn") && d.chance(2) {
			r.how.CacheWrite5m = int64(d.IntN(300)) // unasked, as OpenAI does
		}
	}
	if stream && r.wire != policy.Gemini {
		body = append(body, `"stream":true`)
	}
	r.body = "{" + strings.Join(body, ",") + "}"
	r.how.ImageTokens = d.pictureTokens(r)
	return r
}

func (d *draw) cacheWrites(r *drawnRequest, body *[]string) {
	switch d.IntN(3) {
	case 0:
		r.how.CacheWrite5m = int64(d.IntN(900))
		*body = append(*body, `"cache_control":{"type":"ephemeral"}`)
	case 1:
		r.how.CacheWrite5m, r.how.CacheWrite1h = int64(d.IntN(300)), int64(d.IntN(900))
		*body = append(*body, `"cache_control":{"type":"ephemeral","ttl":"1h"}`)
	}
}

func (d *draw) openAI(wire, limit string) []string {
	model := d.pick("drawn", "gpt-5", "gpt-4o-mini", "gpt-5-mini")
	if wire == policy.Embeddings {
		model = d.pick("drawn", "text-embedding-3-small")
	}
	body := []string{`"model":"` + model + `"`}
	prompts := func() string {
		return d.pick(d.text(), "["+d.text()+","+d.text()+"]", "[1,2,3,4,5,6,7,8]", "[[1,2],[3,4,5]]")
	}
	switch wire {
	case policy.Embeddings:
		return append(body, `"input":`+prompts())
	case policy.Completions:
		body = append(body, `"max_tokens":`+limit, `"prompt":`+prompts())
		if d.chance(3) {
			body = append(body, `"n":`+d.pick("2", "5"))
		}
	case policy.Responses:
		body = append(body, `"max_output_tokens":`+limit, d.pick(`"input":`+d.text(), `"instructions":`+d.text()+`,"input":[`+d.turns("input_text", "input_image", "image_url", "")+`]`))
	case policy.Chat:
		body = append(body, d.pick(`"max_tokens":`, `"max_completion_tokens":`)+limit, `"messages":[`+d.turns("text", "image_url", "image_url", "url")+`]`)
		if d.chance(3) {
			body = append(body, `"n":`+d.pick("2", "5"))
		}
	}
	if d.chance(2) && wire != policy.Completions {
		body = append(body, d.tools(wire))
	}
	return body
}

// turns are messages of OpenAI's shapes: many short ones, since each brings
// hidden tokens, or pictures.
func (d *draw) turns(text, picture, member, inner string) string {
	var all []string
	for range 1 + d.IntN(d.IntN(30)+1) {
		content := d.text()
		if d.chance(4) {
			link := `"data:image/png;base64,` + d.picture() + `"`
			if inner != "" {
				link = `{"` + inner + `":` + link + `}`
			}
			content = `[{"type":"` + text + `","text":` + content + `},{"type":"` + picture + `","` + member + `":` + link + `}]`
		}
		all = append(all, `{"role":"user","content":`+content+`}`)
	}
	return strings.Join(all, ",")
}

func (d *draw) messages(limit string) []string {
	var turns []string
	for range 1 + d.IntN(d.IntN(30)+1) {
		content := d.text()
		if d.chance(4) {
			content = `[{"type":"text","text":` + content + `},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + d.picture() + `"}}]`
		}
		turns = append(turns, `{"role":"user","content":`+content+`}`)
	}
	body := []string{`"model":"` + d.pick("drawn-claude", "claude-sonnet-4-5", "claude-haiku-4-5") + `"`, `"max_tokens":` + limit, `"messages":[` + strings.Join(turns, ",") + `]`}
	if d.chance(2) {
		body = append(body, `"system":`+d.text())
	}
	if d.chance(2) {
		body = append(body, d.tools(policy.Messages))
	}
	return body
}

func (d *draw) gemini(limit string) []string {
	var turns []string
	for range 1 + d.IntN(d.IntN(30)+1) {
		part := `{"text":` + d.text() + `}`
		if d.chance(4) {
			part += `,{"inlineData":{"mimeType":"image/png","data":"` + d.picture() + `"}}`
		}
		turns = append(turns, `{"role":"user","parts":[`+part+`]}`)
	}
	config := `"maxOutputTokens":` + limit
	if d.chance(3) {
		config += `,"candidateCount":` + d.pick("2", "5")
	}
	body := []string{`"contents":[` + strings.Join(turns, ",") + `]`, `"generationConfig":{` + config + `}`}
	if d.chance(2) {
		body = append(body, d.tools(policy.Gemini))
	}
	return body
}

// tools declares up to ten, as short as can be.
func (d *draw) tools(wire string) string {
	var all []string
	for i := range 1 + d.IntN(10) {
		name := fmt.Sprintf(`"name":"f%d"`, i)
		switch wire {
		case policy.Chat:
			all = append(all, `{"type":"function","function":{`+name+`}}`)
		case policy.Responses:
			all = append(all, `{"type":"function",`+name+`,"parameters":{}}`)
		case policy.Messages:
			all = append(all, `{`+name+`,"input_schema":{}}`)
		case policy.Gemini:
			all = append(all, `{`+name+`}`)
		}
	}
	if wire == policy.Gemini {
		return `"tools":[{"functionDeclarations":[` + strings.Join(all, ",") + `]}]`
	}
	return `"tools":[` + strings.Join(all, ",") + `]`
}

// text is a JSON string: short or long, in scripts of one to four bytes a
// character, and now and then longer than a price band.
func (d *draw) text() string {
	n := d.IntN(d.IntN(300) + 1)
	if d.chance(150) {
		n = 60_000
	}
	return wire.Quote(strings.Repeat(d.pick("", "a", "ü", "你", "😀", "\"", "\x01", "the cat "), n))
}

// picture is base64 text of the beginning of a PNG, which holds its size.
func (d *draw) picture() string {
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	header := []byte("IHDR")
	header = binary.BigEndian.AppendUint32(header, d.width)
	header = binary.BigEndian.AppendUint32(header, d.height)
	header = append(header, 8, 2, 0, 0, 0)
	b.Write(binary.BigEndian.AppendUint32(nil, 13))
	b.Write(header)
	b.Write(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(header)))
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// pictureTokens is what each of a request's pictures is billed at, by the
// formula that its provider publishes.
func (d *draw) pictureTokens(r drawnRequest) int64 {
	w, h := float64(d.width), float64(d.height)
	switch r.wire {
	case policy.Messages:
		return anthropicPicture(w, h)
	case policy.Gemini:
		return geminiPicture(w, h)
	}
	return openAIPicture(w, h, strings.Contains(r.body, "gpt-4o-mini"))
}

// anthropicPicture: scaled to 1,568 pixels on the longer side, a token for 750.
func anthropicPicture(w, h float64) int64 {
	scale := min(1, 1568/max(w, h))
	return max(1, min(int64(w*scale*h*scale/750), 1600))
}

// openAIPicture: scaled into 2,048 x 2,048, then to 768 on the shorter side,
// 170 tokens for each tile of 512 and 85 beside them.
func openAIPicture(w, h float64, mini bool) int64 {
	scale := min(1, 2048/max(w, h))
	scale *= min(1, 768/(min(w, h)*scale))
	tiles := func(side float64) int64 { return int64(side*scale+511.999) / 512 }
	n := max(1, tiles(w)) * max(1, tiles(h))
	if mini {
		return 2833 + 5667*n
	}
	return 85 + 170*n
}

// geminiPicture: 258 up to 384 x 384, else for each tile of a side between 256
// and 768.
func geminiPicture(w, h float64) int64 {
	if w <= 384 && h <= 384 {
		return 258
	}
	side := max(256, min(768, float64(int64(min(w, h)/1.5))))
	tiles := func(n float64) int64 { return int64((n + side - 1) / side) }
	return 258 * tiles(w) * tiles(h)
}
