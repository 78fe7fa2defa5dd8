# Everything that is done with this tree, by name. `make` alone lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
TOOL     := $(GO) tool -modfile=internal/tools/go.mod
CONFIG   ?= config.toml
FUZZTIME ?= 30s
BENCH    ?= .
PKGS     ?= ./...

# Options of every command: the configuration, where there is one.
WITH_CONFIG = $(if $(wildcard $(CONFIG)),--config $(CONFIG))

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

# --- use

.PHONY: run
run: run-bot ## build it and start it all: horde, local pool, and a Discord (the sandbox until there is a token)

.PHONY: build
build: ## build bin/bot and bin/server
	@internal/tools/setup.sh build
	@mkdir -p bin
	@$(GO) build -o bin/ ./cmd/...

.PHONY: runtime
runtime: build ## fetch the library that runs models, once
	@bin/bot fetch-runtime

.PHONY: run-bot
run-bot: runtime ## start the bot with everything in it
	@exec bin/bot run $(WITH_CONFIG)

.PHONY: run-server
run-server: runtime ## start the HTTP horde and the pool, without a bot
	@exec bin/server run $(WITH_CONFIG)

# --- check

.PHONY: setup
setup: ## install what the tests need: PostgreSQL, Chromium, fonts, npm and pip packages, the library
	@internal/tools/setup.sh test
	@$(MAKE) --no-print-directory runtime

.PHONY: test
test: setup ## every test, both stores, race detector on
	@internal/tools/test.sh -race $(PKGS)

.PHONY: check
check: fmt-check vet lint test ## what is run before a commit

.PHONY: ci
ci: ## what the machine for continuous integration runs
	@.ci/run

.PHONY: race
race: ## every test with the race detector, nothing installed first
	@$(GO) test -race -timeout 15m $(PKGS)

.PHONY: postgres
postgres: ## the tests of the PostgreSQL store alone
	@internal/tools/setup.sh postgres
	@$(GO) test -race -count=1 -timeout 10m -run 'Postgres' ./internal/store/...

.PHONY: contract
contract: ## every operation of the HTTP API on both stores, against its description and golden answers
	@internal/tools/setup.sh postgres
	@$(GO) test -count=1 -timeout 10m ./horde/apiv2/contract ./horde/apiv2/openapi

.PHONY: bot-test
bot-test: ## the bot against the sandbox, its checklist, on both stores; every body checked with Discord's API description
	@internal/tools/setup.sh postgres
	@internal/tools/bot-test.sh

.PHONY: bot-load
bot-load: ## 1,000 interactions a second from 500 guilds for 30 s, and memory over 100,000; LOAD_RATE, LOAD_SECONDS, LOAD_MEMORY
	@STABLEMATE_LOAD=1 $(GO) test -count=1 -timeout 30m -run '^$$' -bench '^BenchmarkLoad$$' -benchtime 1x ./commands

.PHONY: screens
screens: setup ## walk through the bot in a real browser and write the pictures of docs/tour.md
	@mkdir -p docs/screens
	@STABLEMATE_SCREENS=$(CURDIR)/docs/screens $(GO) test -count=1 -timeout 10m -run '^TestTour$$' ./internal/app

.PHONY: docs
docs: ## write docs/commands.md from the commands that the bot registers
	@STABLEMATE_WRITE_DOCS=1 $(GO) test -count=1 -run '^TestCommandsPage$$' ./commands
	@git --no-pager diff --stat -- docs/commands.md

.PHONY: golden
golden: ## write the golden answers of the HTTP API anew
	@internal/tools/setup.sh postgres
	@$(GO) test -count=1 ./horde/apiv2 -run 'TestRepliesKeepTheirShape' -update
	@$(GO) test -count=1 ./horde/apiv2/contract -run 'TestContract' -update
	@git --no-pager diff --stat -- '*/testdata/golden/*'

.PHONY: smoke
smoke: setup ## drive the page in a real browser, kill -9 in between, write build/smoke.png
	@mkdir -p build
	@STABLEMATE_SMOKE=$(CURDIR)/build/smoke.png $(GO) test -count=1 -timeout 10m -v -run '^TestSmoke$$' ./internal/app/...

.PHONY: bench
bench: setup ## measure, beside the limits of this machine; BENCH=Cycle picks some
	@mkdir -p build
	@$(GO) test -count=1 -timeout 30m -run '^$$' -bench '$(BENCH)' -benchmem $(PKGS) | tee build/bench.txt

.PHONY: fuzz
fuzz: ## every fuzz test for FUZZTIME=30s each
	@internal/tools/fuzz.sh $(FUZZTIME)

SEEDS ?= 500
.PHONY: sim
sim: ## play SEEDS=500 communities with faults on the real engine; a failure prints its seed
	@SIM_SEEDS=$(SEEDS) $(GO) test -count=1 -timeout 60m ./internal/sim

.PHONY: cover
cover: ## coverage of all packages by all tests, as build/cover.html
	@mkdir -p build
	@$(GO) test -timeout 15m -coverpkg=./... -coverprofile=build/cover.out ./...
	@$(GO) tool cover -html=build/cover.out -o build/cover.html
	@$(GO) tool cover -func=build/cover.out | tail -n 1

# --- tools, pinned in internal/tools/go.mod; the first use compiles them, about a minute

.PHONY: fmt
fmt: ## format all Go code
	@nice $(TOOL) golangci-lint fmt

.PHONY: fmt-check
fmt-check: ## fail when some Go code is not formatted
	@nice $(TOOL) golangci-lint fmt --diff

.PHONY: vet
vet: ## go vet
	@$(GO) vet ./...

.PHONY: lint
lint: ## the linters of .golangci.yml
	@nice $(TOOL) golangci-lint run ./...

.PHONY: vuln
vuln: ## known vulnerabilities; fails too when their database cannot be reached
	@$(TOOL) govulncheck ./...

.PHONY: tidy
tidy: ## bring go.mod and go.sum in order
	@$(GO) mod tidy
	@cd internal/tools && $(GO) mod tidy
	@cd internal/tools/s3server && $(GO) mod tidy
