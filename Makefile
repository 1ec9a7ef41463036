# aex needs Go and make. Whatever else a target needs it installs by name.

export CGO_ENABLED ?= 0
GO      ?= go
VERSION ?= 3.0.0
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
DATE    ?= $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null || echo unknown)
CLI      = github.com/Auro-rium/aex/v3/internal/cli
LDFLAGS  = -s -w -X $(CLI).Version=$(VERSION) -X $(CLI).Commit=$(COMMIT) -X $(CLI).Date=$(DATE) $(ENTRY)
# Where it begins: internal/room says why.
ENTRY    = $(if $(filter linux/amd64 linux/arm64,$(shell $(GO) env GOOS)/$(shell $(GO) env GOARCH)),-E github.com/Auro-rium/aex/v3/internal/room.entry)

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0

# In CI a test that lacks a tool fails: the tools are installed first.
TOOLS = $(if $(filter true,$(CI)),tools)

.PHONY: sandbox zones build test race check vuln demo bench big crash supervise soak fuzz guards mutants postgres sdk compat tenturns python readme-v12 browser screens prices prices-compare prices-diff prices-rest vocabulary docs dist dist-check dist-short release pictures clean cc tools

build: ## bin/aex, one static binary
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/aex .

test: $(TOOLS) ## everything that needs only Go (CI=true: and the tools that some tests call)
	$(GO) test -timeout 20m ./...

race: cc $(TOOLS) ## the same under the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout 30m ./...

check: ## format, vet (Linux and macOS), staticcheck, vulnerabilities
	@bad=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$bad" ]; then echo "not gofmt-ed:"; echo "$$bad"; exit 1; fi
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(MAKE) --no-print-directory vuln

.PHONY: macos
macos: ## vet, and every package and test built for macOS on both architectures; none is run
	for arch in amd64 arm64; do GOOS=darwin GOARCH=$$arch $(GO) vet ./... && GOOS=darwin GOARCH=$$arch $(GO) test -exec true -count=1 ./... || exit 1; done

vuln: ## known vulnerabilities, where their list can be reached
	@if out=$$($(GO) run $(GOVULNCHECK) ./... 2>&1); then echo "$$out"; \
	elif echo "$$out" | grep -q 'vuln.go.dev'; then echo "WARNING: govulncheck could not reach its list: nothing was checked"; \
	else echo "$$out"; exit 1; fi

demo: build ## build, and run the main job: no keys, no network, no set-up
	./bin/aex demo

bench: build ## the figures of docs/benchmarks.md
	$(GO) test -run '^$$' -bench . -benchtime 2s ./...
	./clients/bench/run
	./clients/postgres/run --bench

crash: ## kill -9 at 500 random instants
	AEX_CRASH=500 $(GO) test -run 'Crash' -timeout 60m -v ./ledger

supervise: cc $(TOOLS) ## the supervision cases, 20 times in a row
	CGO_ENABLED=1 $(GO) test -race -run 'TestCase' -count=20 -timeout 120m ./supervisor/process

big: ## every page of the dashboard over ten million calls, with its time; some gigabytes, some minutes
	AEX_BENCH_EVENTS=1e7 $(GO) test -count=1 -run TestPagesOfALongHistory -timeout 60m -v ./proxy/dashboard

.PHONY: sandbox-short sandbox-programs
TREES ?= 200
sandbox: tools build ## the ways out of a sandbox at each level, as root and as a user; supervision inside; TREES trees that resist
	CI=true $(GO) test -count=1 -run 'TestNoWayOut|TestWaysOut' -v ./internal/e2e
	AEX_TEST_SANDBOX=require $(GO) test -count=1 -run 'TestCase' -timeout 20m ./supervisor/process
	AEX_TEST_TREES=$(TREES) $(GO) test -count=1 -run 'TestTreesInSandbox' -parallel 16 -timeout 60m ./supervisor/process
	@if [ "$$(id -u)" = 0 ]; then dir=$$(mktemp -d) && chmod 755 $$dir && mkdir -p $$dir/internal/e2e && mkdir -m 1777 $$dir/tmp && cp bin/aex $$dir/aex && \
	  cp -r docs $$dir/ && cp -r internal/e2e/testdata $$dir/internal/e2e/ && $(GO) test -c -o $$dir/internal/e2e/e2e ./internal/e2e && cd $$dir/internal/e2e && \
	  CI=true setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=$$dir/tmp TMPDIR=$$dir/tmp AEX_E2E_BINARY=$$dir/aex ./e2e \
	    -test.run 'TestNoWayOut|TestWaysOut' -test.v; code=$$?; rm -rf $$dir; exit $$code; fi

sandbox-short: tools build ## the ways out at each level, and a dozen trees that resist
	CI=true $(GO) test -count=1 -run 'TestNoWayOut|TestWaysOut|TestLevelOfEachMachine|TestNetworkOfARun|TestAllowLocal|TestWhatIsPassedOn|TestWaysToAsk' ./internal/e2e
	AEX_TEST_SANDBOX=require $(GO) test -count=1 -run 'TestCase[0-3]' -timeout 10m ./supervisor/process
	CI=true AEX_TEST_TREES=12 $(GO) test -count=1 -run 'TestTreesInSandbox' -parallel 6 ./supervisor/process

sandbox-programs: build ## Claude Code, Codex, opencode, git, pip, npm, pytest and a browser inside a sandbox (installs the first three into COMPAT_CACHE)
	python3 clients/compat/sandboxed.py bin/aex $(COMPAT_CACHE)

SOAK ?= 60
soak: ## aex serve for SOAK seconds under 200 clients of 20 agents, and all that operators do
	AEX_SOAK=$(SOAK) $(GO) test -count=1 -run TestSoak -timeout 30m -v ./internal/e2e

# LONG=1: the form that docs/assurance.md quotes; ASSAULT has more flags: -within 10m -only calls,kills
.PHONY: assault
assault: build ## attack aex in ten ways, and count: two minutes, or LONG=1 (clients/assault)
	$(GO) run ./clients/assault $(if $(LONG),-long,-within 12s) $(ASSAULT) bin/aex

RUNNERS ?= 2000
KILLS   ?= 50
.PHONY: shared shared-short
shared: ## a shared gateway: real programs on another host, its network cut, runners slow, stopped and killed, nginx, RUNNERS runners in four turns, KILLS kills
	AEX_TEST_RUNNERS=$(RUNNERS) AEX_TEST_KILLS=$(KILLS) ./clients/shared/run $(COMPAT_CACHE)

shared-short: ## a real Python bot on another host, and a network that is away for some seconds
	./clients/shared/run $(COMPAT_CACHE) --short

FUZZTIME ?= 20s
fuzz: ## each fuzz target for FUZZTIME
	@for pkg in ledger policy proxy proxy/oidc proxy/tunnel proxy/wire; do \
	  for f in $$($(GO) test -list '^Fuzz' ./$$pkg | grep '^Fuzz'); do \
	    $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x ./$$pkg || exit 1; done; done

# MUTANTS: how many changes are tried; 0 for all, which takes some ten minutes.
MUTANTS ?= 0
MONEY = account.go admit.go afford.go limit.go money.go path.go settle.go tally.go
mutants: ## change an operator, a condition or a statement at a time: which do no tests notice? (clients/mutants)
	$(GO) run ./clients/mutants -sample $(MUTANTS) ./policy
	$(GO) run ./clients/mutants -sample $(MUTANTS) -skip 'Crash|LongHistory|DiskFull|Race|EveryEdit|StoppedHolder|StoppedWriterOfTheHead' ./ledger $(MONEY)

postgres: ## the ledger on a real PostgreSQL (installs Debian's; POSTGRES=--ci for the short form)
	./clients/postgres/run $(POSTGRES)

.PHONY: deploy-check
deploy-check: build ## what is in deploy/, read by Compose's and Kubernetes' own types and run (installs PostgreSQL and promtool)
	./clients/deploy/run

guards: tools ## take each guard away and see its test fail (clients/guards)
	./clients/guards/run

RECORDED = github.com/coder/aibridge@v1.0.4
.PHONY: recorded
recorded: ## the answers that another gateway has recorded, replayed as a provider (fetches them; they stay outside)
	./clients/recorded/run $(RECORDED)

sdk: build ## the real SDKs, with and without aex (installs Python and Node packages)
	./clients/compat/run

COMPAT_CACHE ?= .cache/compat
compat: build ## every framework and agent program, and docs/compatibility.md (installs them into COMPAT_CACHE; COMPAT='NAME ...' or --ci for some)
	./clients/compat/all bin/aex $(COMPAT_CACHE) $(COMPAT)

tenturns: build ## Claude Code, Codex, opencode and pi do ten tool turns for $0.30 under --budget 0.50, and for $0.19 with broken answers (COMPAT: where they are installed)
	python3 clients/compat/tenturns.py bin/aex $(or $(COMPAT),.cache/compat)
	python3 clients/compat/tenturns.py bin/aex $(or $(COMPAT),.cache/compat) --broken

python: build ## the Python helper's own tests
	./clients/python/test

readme-v12: build ## every line of the v1.2 README, executed
	./clients/readme-v12/run

browser: ## the dashboard in a real Chromium (installs it), and promtool on the metrics; BROWSER has more for go test
	./clients/browser/run $(if $(BROWSER),"$(firstword $(BROWSER))" "$(word 2,$(BROWSER))")

screens: build ## vim, less, bash, Python and curses under tmux, with and without aex
	AEX=bin/aex ./clients/screens/run

prices-compare: ## 200 models priced by aex and by the two lists' own calculators
	./clients/prices/make compare

zones: ## the time zones of the binary: those of the Go that builds it
	cp "$$(go env GOROOT)/lib/time/zoneinfo.zip" internal/zones/zoneinfo.zip && chmod 644 internal/zones/zoneinfo.zip

prices: ## the catalogue, made anew from genai-prices and LiteLLM's list
	./clients/prices/make

prices-diff: ## the prices on which the two lists differ
	./clients/prices/make diff

prices-rest: ## the models whose reasoning, longest answer or window is not known
	./clients/prices/make rest

vocabulary: ## the tokens of OpenAI's models, from the library that has them
	cd clients/vocabulary && $(GO) run . ../../internal/vocabulary

pictures: build ## the two pictures of README.md: the demo's terminal, the dashboard (installs Chromium)
	mkdir -p docs/pictures
	$(GO) run ./clients/pictures bin/aex docs/pictures/demo.svg
	./clients/browser/run -run TestPicture
	cp artifacts/dashboard/picture.png docs/pictures/dashboard.png

docs: ## man pages
	go run ./clients/manpages docs/man

TARGETS ?= linux/amd64,linux/arm64,darwin/amd64,darwin/arm64
dist: ## everything that a release consists of, in dist; the same commit gives the same bytes
	cd clients/package && $(GO) run . -source ../.. -out ../../dist -version $(VERSION) -targets $(TARGETS)

dist-check: dist ## install and use each package of dist without Go, build dist again elsewhere (installs rpm, ruby, qemu-user-static)
	./clients/package/check

dist-short: ## the archive and the wheel for Linux on x86-64, installed and used, also by CI systems; .ci/run has this much of dist-check
	cd clients/package && $(GO) run . -source ../.. -out ../../artifacts/dist -version $(VERSION) -targets linux/amd64 -only archives,wheels
	AEX_DIST=$(CURDIR)/artifacts/dist ./clients/package/check short

release: ## dist from a clean tag, checked
	@test -z "$$(git status --porcelain)" || { echo "release: the work tree has changes; commit them first"; exit 1; }
	@git tag --points-at HEAD | grep -Fqx "v$(VERSION)" || { \
	  echo "release: HEAD is not tagged v$(VERSION); see docs/operations.md, Releasing"; exit 1; }
	$(MAKE) --no-print-directory dist-check
	@echo "release: dist holds aex $(VERSION); what is left to do with it is in docs/operations.md, Releasing"

cc:
	@command -v cc >/dev/null || command -v gcc >/dev/null || { \
	  echo "installing a C compiler for the race detector"; \
	  $$( [ "$$(id -u)" = 0 ] || echo sudo ) sh -c 'apt-get update -qq && apt-get install -y -qq gcc libc6-dev'; }

tools: ## what some tests call; without it they are skipped, and in CI they fail
	@missing=; for t in strace:strace unshare:util-linux setpriv:util-linux nsenter:util-linux ip:iproute2 bash:bash zsh:zsh fish:fish python3:python3; do \
	  command -v "$${t%%:*}" >/dev/null || missing="$$missing $${t##*:}"; done; \
	[ -e /usr/share/bash-completion/bash_completion ] || missing="$$missing bash-completion"; \
	[ -z "$$missing" ] || { echo "installing$$missing for the tests"; \
	  $$( [ "$$(id -u)" = 0 ] || echo sudo ) sh -c "apt-get update -qq && apt-get install -y -qq $$missing"; }

clean:
	rm -rf bin dist artifacts docs/man
