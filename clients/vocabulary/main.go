// Command vocabulary writes what internal/vocabulary has: the vocabulary, and
// texts with the counts of the library that it is from.
//
//	go run . ../../internal/vocabulary
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
	"github.com/tiktoken-go/tokenizer/codec"
)

func main() {
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(into string) error {
	library := codec.NewO200kBase()
	var all bytes.Buffer
	for rank := range uint(199_998) {
		token, err := library.Decode([]uint{rank})
		if err != nil {
			return fmt.Errorf("token %d: %w", rank, err)
		}
		all.WriteByte(byte(len(token)))
		all.WriteString(token)
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(into, "o200k.zst"), encoder.EncodeAll(all.Bytes(), nil), 0o644); err != nil {
		return err
	}
	type counted struct {
		Text   string
		Tokens int
	}
	var list []counted
	for _, text := range append(texts, files("../..")...) {
		n, err := library.Count(text)
		if err != nil {
			return err
		}
		list = append(list, counted{text, n})
	}
	out, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(into, "testdata", "counted.json"), append(out, '\n'), 0o644)
}

// files are real texts, of this project.
func files(root string) (list []string) {
	for _, name := range []string{"docs/ceilings.md", "policy/price.go", "Makefile"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			panic(err)
		}
		list = append(list, string(text))
	}
	return list
}

// texts are what the rules for pieces are about.
var texts = []string{
	"", " ", "  ", "a", "\n", "  \n x", "x   ", "tab\there\t\tand\t", "\r\n\r\n",
	"Hello, world! It's what they'd've said: WE'LL see. DON'T",
	"camelCase PascalCase HTTPServer XMLHttpRequest snake_case SCREAMING_CASE kebab-case",
	"1 12 123 1234 12345 3.14159 1e10 0xdeadbeef v1.2.3-rc1", "²³¹ ½ Ⅻ ٣٤٥",
	"func main() {\n\tfmt.Println(\"hi\")\n}\n", "path/to/file.go:12:3: error\n///\n", "a//b\r\n/c",
	"Größenwahn, übermäßig; naïve façade — “quotes” … ‰", "Ωμέγα Привет, мир! ПРИВЕТ שלום مرحبا بالعالم हिन्दी में लिखा",
	"你好，世界。今天天气怎么样？", "日本語のテキストはABCだEとカタカナ", "한국어 텍스트", "ภาษาไทย", "é̈x́ ̈a",
	"😀😃👨‍👩‍👧‍👦🏳️‍🌈 emoji", "ǅ ǈabc ʰʱx ªº", " non breaking  em", "<|endoftext|> <tag attr='x'>",
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "zqxjkvbpygfwmucldrhsnioate", "================", "????!!!!....,,,,",
	"{\"type\":\"object\",\"properties\":{\"command\":{\"type\":\"string\",\"description\":\"What to run\"}}}",
	"dGhpcyBpcyBub3QgYSBsb25nIGJhc2U2NCB0ZXh0IGJ1dCBsb25nIGVub3VnaA==",
}
