SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

SWIFT ?= swift
PREFIX ?= /usr/local
DESTDIR ?=

programs := gateway gatewayctl gateway-relay gateway-tunnel $(notdir $(wildcard Sources/acme-hook))
sources := Sources Tests Examples Fuzz Benchmarks Package.swift
scripts := .ci/run $(shell grep -lI '^\#!.*sh$$' scripts/* packaging/*)
# The linker looks for libraries there first, and finds the static ones only.
static := .build/static
release := --configuration release --static-swift-stdlib -Xswiftc -L$(CURDIR)/$(static)

.PHONY: help setup build docs demo test test-loaded chaos chaos-relay fuzz tsan bench bench-relay lint format install deb test-deb clean

help: ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

setup: ## install what the rest needs: Debian packages, Traefik and Python packages in .venv
	@scripts/setup

build: ## build everything, for debugging
	@$(SWIFT) build

docs: setup ## make the documentation of the libraries, in .build/docs
	@scripts/docs

demo: setup build ## publish three workloads on loopback, fetch them with certificates, take them away again (KEEP=1)
	@scripts/peers
	@scripts/demo $(if $(KEEP),--keep)

test: setup ## run all tests, against real servers on loopback; FILTER for some of them
	@scripts/test $(addprefix --filter ,$(FILTER))

test-loaded: setup ## the same beside four busy loops, to find what fails because it is slow
	@scripts/test --busy 4 --minutes 120 $(addprefix --filter ,$(FILTER))

chaos: setup build ## kill the gateway, Redis and knotd at random while callers work, and look for what was lost (SEED, SECONDS)
	@scripts/chaos $(addprefix --seed ,$(SEED)) $(addprefix --seconds ,$(SECONDS))

chaos-relay: setup build ## kill the relay, its clients, the gateway and Redis while streams go through them (SEED, MINUTES)
	@scripts/relay-chaos $(MINUTES) $(addprefix --seed ,$(SEED))

fuzz: setup ## feed what comes from outside with made-up bytes, 10 minutes a target (FUZZ_SECONDS)
	@scripts/fuzz

tsan: setup ## run the tests of the bus and of the module under the thread sanitizer
	@scripts/tsan

bench: setup ## measure the release build against floors on this machine (FIGURES, JSON)
	@for product in gateway bench-scrape; do BENCH=1 $(SWIFT) build $(release) --product $$product; done
	@scripts/bench --program $$($(SWIFT) build $(release) --show-bin-path)/gateway $(FIGURES) $(addprefix --json ,$(JSON))

bench-relay: setup ## measure the relay beside HAProxy and a relay on Go's yamux (FIGURES, JSON)
	@$(MAKE) --no-print-directory install DESTDIR="$(CURDIR)/.build/installed" PREFIX=/usr/local
	@scripts/relay-bench $(FIGURES) $(addprefix --json ,$(JSON))

lint: ## check the format of the sources, that every suite has a time limit, and the scripts when shellcheck is there
	@$(SWIFT) format lint --strict --recursive $(sources)
	@scripts/check-time-limits
	@if command -v shellcheck >/dev/null; then shellcheck $(scripts); fi

format: ## format the sources
	@$(SWIFT) format --in-place --recursive $(sources)

install: ## install programs, units, manuals and completions below DESTDIR and PREFIX; the programs need no library but the C library
	@mkdir -p $(static)
	@for library in hiredis yaml cares knot zscanner ssl crypto stdc++; do \
	  ln -sf "$$(gcc -print-file-name=lib$$library.a)" $(static)/; \
	done
	@export BUILD_VERSION="$(or $(VERSION),$(shell scripts/version))"; \
	for program in $(programs); do $(SWIFT) build $(release) --product $$program || exit 1; done; \
	bin=$$($(SWIFT) build $(release) --show-bin-path); \
	for program in $(programs); do install -D -s -m 755 $$bin/$$program "$(DESTDIR)$(PREFIX)/bin/$$program"; done; \
	scripts/manuals $$bin "$(DESTDIR)$(PREFIX)/share"
	@install -D -m 644 -t "$(DESTDIR)/etc/zinit" zinit/*.yaml
	@install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/gateway-module/zinit" zinit/dns/*.yaml zinit/relay/*.yaml
	@install -D -m 644 -t "$(DESTDIR)$(PREFIX)/lib/systemd/system" systemd/*.service systemd/*.path
	@install -D -m 644 systemd/gateway-module.sysusers "$(DESTDIR)$(PREFIX)/lib/sysusers.d/gateway-module.conf"
	@install -D -m 644 systemd/gateway-module.tmpfiles "$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/gateway-module.conf"
	@for file in gateway gateway-traefik; do \
	  install -D -m 644 systemd/$$file.default "$(DESTDIR)$(PREFIX)/share/gateway-module/$$file.default"; \
	done
	@install -D -m 755 packaging/defaults "$(DESTDIR)$(PREFIX)/share/gateway-module/defaults"
	@test -n "$(DESTDIR)" || packaging/defaults "$(PREFIX)/share/gateway-module"
	@install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/doc/gateway-module" README.md
	@install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/doc/gateway-module/docs" docs/*.md
	@cd Examples && find callers -type f -not -path '*/.build/*' -exec install -D -m 644 {} \
	  "$(abspath $(DESTDIR)$(PREFIX))/share/doc/gateway-module/Examples/{}" \;
	@install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/doc/gateway-module/netns" systemd/netns/*.conf

deb: ## make a Debian package in .build (VERSION)
	@VERSION="$(VERSION)" scripts/deb

test-deb: setup ## try the package in a Debian of its own, which systemd runs: install, demo, upgrade, remove, purge; as root
	@scripts/test-deb

clean: ## remove what was built
	@rm -rf .build .build-bench .build-fuzz .build-tsan
