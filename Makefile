# Bare `make` prints what there is.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

GOLANGCI := v2.15.0
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 20s
SEEDS    ?= 1000
REAL     ?= 20
FIRST    ?= 1
JOBS     ?= 50
SEED     ?= 1
STAGE    ?= encode
LISTEN   ?= 127.0.0.1:9000
NEXT     ?= .next
SPEECH   ?= 2m,4m,6m,8m,10m
VIDEO    ?= 4m
exact-random: N ?= 200
bombs: N ?= 100

.PHONY: help setup setup-detect setup-render build test lint vulncheck demo bench exact exact-next exact-random disorder soak bombs fuzz av-workflow merge-sizes captions players refresh-hls function synth diff deploy destroy clean

help: ## print this
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what is missing: Go modules, ffmpeg, npm development tools
	@tools/setup.sh

setup-detect: setup ## fetch ONNX Runtime and a model for examples/detect: 142 MB to fetch
	@examples/detect/setup.sh

setup-render: setup ## install Blender too, for scenes and their tests: 116 MB to fetch
	@tools/setup-render.sh

build: ## build bin/mapreel
	go build -ldflags '-X main.version=$(VERSION)' -o bin/mapreel ./cmd/mapreel

test: setup ## run every test
	go test -timeout 25m -vet=off -ldflags=-w ./... # ten minutes a package, the default, are short for two slow cores; lint has vet; -w links without DWARF, in a third less time

# Built once into bin/tools, so that a run costs only the check.
linter := bin/tools/golangci-lint-$(GOLANGCI)
$(linter):
	GOBIN=$(CURDIR)/bin/tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)
	mv bin/tools/golangci-lint $@

vulncheck: ## look for known vulnerabilities that the programs call; VULNDB=latest takes the newest database
	@tools/vulncheck.sh

lint: $(linter) ## check style, mistakes and the direction of imports
	$(linter) run

demo: ## transcode SOURCE=file, or a clip made here, into .demo/; needs Go and ffmpeg alone
	@tools/setup.sh programs
	@$(MAKE) build
	@tools/demo.sh

bench: setup build ## compare with plain ffmpeg; BENCH="-rounds 5 -figures" passes flags, SOURCE=file another source
	go run ./internal/bench $(if $(SOURCE),-source '$(SOURCE)') $(BENCH)

exact: setup ## run awkward sources and compare; EXACT="-only TS -markdown" passes flags
	go run ./internal/exact -v $(EXACT)

exact-next: setup ## the same with the ffmpeg of Debian's next release, 7.1, which is unpacked into NEXT=.next
	@tools/next-ffmpeg.sh '$(NEXT)'
	PATH='$(abspath $(NEXT))/bin':"$$PATH" go run ./internal/exact -v $(EXACT)

exact-random: setup ## draw N=200 sources at random from seed SEED=1, run them and compare; FLAGS=-recipe prints what makes one
	go run ./internal/exact/random -n $(N) -seed $(SEED) $(FLAGS)

disorder: ## exchange, double and drop frames of FILM=file before several encoders, and see what verify finds
	go test -count=1 -timeout 120m -run TestDisorderInAFilm -v ./pkg/verify -args -film '$(abspath $(FILM))'

soak: setup ## run whole jobs under SEEDS=1000 plans of faults, REAL=20 of them with a real encoder, from seed FIRST=1; then the load figures, and JOBS=50 jobs at once, and kill a run in 14 rounds
	go run ./internal/soak -first $(FIRST) -seeds $(SEEDS) -real $(REAL) -jobs $(JOBS)
	MAPREEL_TEST_ROUNDS=10 go test -count=1 -run TestAKilledRunContinuesToTheSameBytes ./pkg/local

bombs: setup ## run mapreel on N=100 hostile files that follow from SEED=1, and print what each takes
	go run ./internal/bombs -n $(N) -seed $(SEED)

fuzz: ## run every fuzz target for FUZZTIME (20s)
	@go test -list '^Fuzz' ./... | awk '/^Fuzz/ {f[n++] = $$1} /^ok/ {for (i = 0; i < n; i++) print $$2, f[i]; n = 0}' | \
	while read -r package target; do \
	  echo "$$package $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package"; \
	done

function: ## run the function of STAGE=encode as Lambda does, and print the curl line that invokes it; LISTEN=127.0.0.1:9000
	@go build -o bin/worker ./functions/worker
	@go run ./internal/function -listen $(LISTEN) $(STAGE) bin/worker $(STAGE)

# WITH="-c scratch=s3 -c gpu=true" passes the choices of infra/settings.go.
cdk := tools/cdk.sh

synth: setup ## write the CloudFormation template to cdk.out; WITH="-c name=value …" passes choices
	$(cdk) synth --quiet $(WITH)

diff: setup ## show what a deploy would change
	$(cdk) diff $(WITH)

deploy: setup ## put mapreel on AWS, or update it
	$(cdk) deploy $(WITH)

destroy: setup ## remove mapreel from AWS; the media bucket stays
	$(cdk) destroy $(WITH)

av-workflow: setup-detect build ## time captions of SPEECH=2m,4m,6m,8m,10m and detect on VIDEO=4m beside the SCAR paper, and simulate handing over early
	go run ./internal/bench -speech $(SPEECH) -film $(VIDEO)

merge-sizes: ## merge outputs of 20 MB to 200 GB, on a real S3 server and by counting requests, and print what it takes
	go test -count=1 -timeout 60m -run TestMergeAtAllSizes -v ./pkg/film/merge -args -all

captions: setup ## caption 45 s of flite's voices rms and awb, whole and cut into 12 parts; print word errors and times
	go test -count=1 -v -run TestTheExampleCaptionsSpeech ./cmd/mapreel/internal/toolrun -args -all

players: setup ## play every kind of package in every player, in headless Chromium; ask mpv and GStreamer for rate and length
	go test -count=1 -v ./pkg/player/playertest -args -all # -v says what is skipped

refresh-hls: setup ## copy hls.js of package-lock.json into the player's page
	@tools/refresh-hls.sh

clean: ## remove what was built and made here; the linter stays
	rm -rf bin/mapreel .demo cdk.out
