# make prints the targets. Two commands on a fresh machine: make run, make test.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DEFAULT_GOAL := help
# The checkout may belong to another account (containers); the commit is set below.
export GOFLAGS := -buildvcs=false $(GOFLAGS)

VERSION := $(or $(patsubst v%,%,$(shell git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null)),$(shell cat VERSION))
COMMIT := $(or $(shell git rev-parse --short=12 HEAD 2>/dev/null),unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
FUZZTIME ?= 10s
TEST_TIMEOUT ?= 10m
CONFORMANCE := ./cmd/nactor/apitest ./cmd/nactor/conformance
SYSTEM := ./cmd/nactor/systemtest
SIM := ./cmd/nactor/simtest
FAULTS := ./cmd/nactor/faulttest
SEEDS ?= 10
SEED ?= 1

# $(call step,name,command): runs the command under a heading and prints its time.
define step
@echo "== $(1)"; begin=$$SECONDS; $(2); echo "== $(1): $$((SECONDS - begin)) s"
endef

.PHONY: help
help: ## print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: build ## build, then run a standalone server on port 8848 in this directory
	@exec target/nactor server -m standalone --home "$(CURDIR)"

.PHONY: build
build: ## build target/nactor
	@mkdir -p target
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o target/nactor ./cmd/nactor

.PHONY: test
test: ci ## all that .ci/run checks

# Ends with the lines of go test, which carry their own times.
.PHONY: ci
ci:
	$(call step,lint,$(MAKE) --no-print-directory lint)
	$(call step,build,$(MAKE) --no-print-directory build)
	$(call step,race,go test -race -timeout $(TEST_TIMEOUT) $$(go list ./... | grep -vE '/cmd/nactor/(apitest|conformance|systemtest|faulttest)'))
	$(call step,sim,$(MAKE) --no-print-directory sim SEEDS=40)
	@echo "== system"
	@$(MAKE) --no-print-directory system
	@echo "== cluster"
	@$(MAKE) --no-print-directory cluster-short
	@echo "== upgrade"
	@$(MAKE) --no-print-directory upgrade-short
	@echo "== conformance"
	@$(MAKE) --no-print-directory conformance

.PHONY: lint
lint: ## gofmt, vet, staticcheck, syntax of the scripts
	@bad=$$(gofmt -l .); [ -z "$$bad" ] || { echo "not gofmt-ed (gofmt -w mends it):"; echo "$$bad"; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	@for s in bin/*.sh; do sh -n "$$s"; bash -n "$$s"; done; bash -n .ci/run

.PHONY: conformance
conformance: ## the HTTP API request by request, then official clients, against real servers (SHORT=-short for a part)
	go test $(SHORT) -count=1 -p 1 -parallel 16 -timeout 20m $(CONFORMANCE)

.PHONY: conformance-rust
conformance-rust: ## the same for the client for Rust, which takes minutes to build once
	NACTOR_CONFORMANCE_RUST=1 go test -count=1 -parallel 4 -timeout 30m -skip '^TestCluster(Faults|Upgrade|Connections)|^TestGoSDK2' -run '^Test/^(sdk|before)$$/^rust' $(CONFORMANCE)

.PHONY: system
system: ## real servers under load and faults (SHORT=-short for a tenth of the load)
	go test $(SHORT) -count=1 -timeout $(TEST_TIMEOUT) $(SYSTEM)

.PHONY: sim
sim: ## clusters in virtual time with random faults: SEEDS runs from SEED on
	go test -count=1 -run '^TestSim' -timeout $(TEST_TIMEOUT) $(SIM) -args -sim.seeds=$(SEEDS) -sim.seed=$(SEED)

.PHONY: cluster-short
cluster-short: ## real clusters of three on loopback under load and the faults that need no root
	go test -short -count=1 -v -timeout $(TEST_TIMEOUT) $(FAULTS) | grep -vE '^(=== |\s+--- PASS)'

.PHONY: faults
faults: ## all faults, also cut networks and failing disks (needs root; minutes)
	go test -count=1 -v -timeout 60m $(FAULTS)

.PHONY: upgrade-short
upgrade-short: ## real clusters of 1.X upgraded to 2.X and back under load, in short
	go test -short -count=1 -v -run '^TestUpgrade' -timeout $(TEST_TIMEOUT) $(FAULTS) -args -upgrade | grep -vE '^(=== |\s+--- PASS)'

.PHONY: upgrade
upgrade: ## all of the upgrade: ways back, faults at the worst moments, 14,000 instances (root for the cuts)
	go test -count=1 -v -run '^TestUpgrade' -timeout 90m $(FAULTS) -args -upgrade

.PHONY: upgrade-matrix
upgrade-matrix: ## only the ways up and down
	go test -count=1 -v -run '^TestUpgradeMatrix' -timeout 30m $(FAULTS) -args -upgrade

.PHONY: bench
bench: build ## measure this machine beside a bare handler
	target/nactor bench

.PHONY: bench-upgrade
bench-upgrade: build ## measure what double write costs and how long a switch takes (minutes)
	target/nactor bench upgrade

.PHONY: bench-connections
bench-connections: build ## measure what 5,000 clients of 2.x cost a node, and how soon subscribers are pushed
	target/nactor bench connections

.PHONY: bench-go
bench-go: ## Go benchmarks of all packages
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME (10s)
	@git grep -lE '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u | while read -r dir; do \
		grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$$dir"/*_test.go | sed 's/^func //' | sort -u | while read -r f; do \
			echo "== $$dir $$f"; \
			go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) "./$$dir" </dev/null; \
		done; \
	done

.PHONY: dist
dist: build ## tarball to unpack over a Nacos install: target/nactor-VERSION.tar.gz
	@stage=$$(mktemp -d); trap 'rm -rf "$$stage"' EXIT; \
	mkdir -p "$$stage/nacos/target"; \
	cp -R bin "$$stage/nacos/"; \
	mkdir "$$stage/nacos/conf"; cp conf/application.properties conf/cluster.conf.example "$$stage/nacos/conf/"; \
	cp target/nactor "$$stage/nacos/target/"; \
	tar -C "$$stage" --owner=0 --group=0 -czf target/nactor-$(VERSION).tar.gz nacos; \
	echo "target/nactor-$(VERSION).tar.gz"

.PHONY: generate
generate: ## the messages between nodes (needs protoc)
	go generate ./...

.PHONY: clean
clean: ## remove what was built; data/ and logs/ stay
	rm -rf target
