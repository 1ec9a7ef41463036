module github.com/Auro-rium/aex/v3/clients/vocabulary

go 1.26.0

require (
	github.com/klauspost/compress v1.20.4
	github.com/tiktoken-go/tokenizer v0.10.0
)

require github.com/dlclark/regexp2/v2 v2.5.1 // indirect
