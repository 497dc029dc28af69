# The two commands that matter: `make demo` and `make test`. Everything else is a convenience; `make` lists it all.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
# Where the programs are built; the same variable that cargo itself reads.
CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR

# What tests and lints are built with: both runtimes. The programs that are installed have tract alone.
every := fieldeye-agent/onnxruntime
onnxruntime := $(CARGO_TARGET_DIR)/onnxruntime

PREFIX ?= /usr/local
DESTDIR ?=
# What `make install` installs: `make install PARTS=agent` on a camera box, `PARTS=hub` on a server.
PARTS ?= hub agent
release := $(CARGO_TARGET_DIR)/release
# Where `make install` takes the programs from.
BIN_DIR ?= $(release)
bin := $(DESTDIR)$(PREFIX)/bin
units := $(DESTDIR)$(PREFIX)/lib/systemd/system
users := $(DESTDIR)$(PREFIX)/lib/sysusers.d
rules := $(DESTDIR)$(PREFIX)/lib/udev/rules.d
# What else the agent's part has: memory cards are imported when they are plugged in.
card := $(filter agent,$(PARTS))
# Only then are users made and services switched on: not when a package or an image is being built.
live := $(if $(DESTDIR),,$(wildcard /run/systemd/system))

.PHONY: help demo test bench build release install uninstall cross test-arm fmt lint

help: ## List what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

# The name of a file may hold anything; `value` leaves its dollars alone, the environment its quotes.
demo: override export VIDEO := $(value VIDEO)
demo: ## Inspect a real video end to end (your own: make demo VIDEO=path)
	deploy/setup/debian.sh
	$(CARGO) build --release -p fieldeye-agent -p fieldeye-hub
	FIELDEYE_BIN_DIR="$(release)" deploy/demo/demo.sh

test: ## Set up, build and run every test
	deploy/setup/debian.sh --test
	deploy/setup/onnxruntime.sh "$(onnxruntime)" >/dev/null
	$(CARGO) build --workspace --all-targets --features $(every)
	ORT_DYLIB_PATH="$$(deploy/setup/onnxruntime.sh "$(onnxruntime)")" \
	  $(CARGO) nextest run --workspace --features $(every)

bench: ## Measure against peers and rewrite bench/RESULTS.md (most of an hour)
	deploy/setup/debian.sh --bench
	$(CARGO) run --release -p fieldeye-bench -- --results bench/RESULTS.md

build: ## Build everything for development
	$(CARGO) build --workspace

release: ## Build both programs as they are installed
	$(CARGO) build --release -p fieldeye-agent -p fieldeye-hub

install: ## Install programs and services (after make release; PREFIX, DESTDIR, PARTS)
	@for part in $(PARTS); do \
	  program="$(BIN_DIR)/fieldeye-$$part"; \
	  [ -x "$$program" ] || { echo "error: $$program is not built: run \`make release\` first" >&2; exit 1; }; \
	done
	install -d "$(bin)" "$(units)" "$(users)" "$(DESTDIR)/etc/fieldeye"
	install -m 644 deploy/systemd/fieldeye.conf "$(users)/fieldeye.conf"
	for part in $(PARTS); do \
	  install -m 755 "$(BIN_DIR)/fieldeye-$$part" "$(bin)/"; \
	  sed 's|/usr/local/bin/|$(PREFIX)/bin/|' "deploy/systemd/fieldeye-$$part.service" \
	    > "$(units)/fieldeye-$$part.service"; \
	  chmod 644 "$(units)/fieldeye-$$part.service"; \
	done
ifneq ($(card),)
	sed 's|/usr/local/bin/|$(PREFIX)/bin/|' deploy/systemd/fieldeye-card@.service > "$(units)/fieldeye-card@.service"
	chmod 644 "$(units)/fieldeye-card@.service"
	install -d "$(rules)"
	install -m 644 deploy/udev/99-fieldeye-card.rules "$(rules)/"
endif
ifneq ($(live),)
	systemd-sysusers "$(users)/fieldeye.conf"
	systemctl daemon-reload
	systemctl enable $(PARTS:%=fieldeye-%.service)
	systemctl try-restart $(PARTS:%=fieldeye-%.service)
	[ -z "$(card)" ] || udevadm control --reload || true
	@echo "They start with the machine. Now: systemctl start $(PARTS:%=fieldeye-%)"
endif

uninstall: ## Remove programs and services; settings and data stay
ifneq ($(live),)
	for part in $(PARTS); do \
	  [ ! -e "$(units)/fieldeye-$$part.service" ] || systemctl disable --now "fieldeye-$$part.service"; \
	done
endif
	rm -f $(foreach part,$(PARTS),"$(bin)/fieldeye-$(part)" "$(units)/fieldeye-$(part).service")
	$(if $(card),rm -f "$(units)/fieldeye-card@.service" "$(rules)/99-fieldeye-card.rules")
	[ -e "$(bin)/fieldeye-hub" ] || [ -e "$(bin)/fieldeye-agent" ] || rm -f "$(users)/fieldeye.conf"
ifneq ($(live),)
	systemctl daemon-reload
endif
	@echo "Settings stay in $(DESTDIR)/etc/fieldeye, data in $(DESTDIR)/var/lib/fieldeye-*."

cross: ## Build the agent for arm64 boards (Debian 12 amd64 only)
	deploy/cross/prepare.sh arm
	deploy/cross/cargo.sh arm build --release -p fieldeye-agent
	@ls -l "$(CARGO_TARGET_DIR)/cross/build/aarch64-unknown-linux-gnu/release/fieldeye-agent"

test-arm: cross ## Run the arm64 agent under qemu: it must find what the amd64 agent finds
	deploy/setup/debian.sh
	$(CARGO) build --release -p fieldeye-agent
	FIELDEYE_BIN_DIR="$(release)" deploy/cross/test-arm.sh

fmt: ## Format all Rust code
	$(CARGO) fmt --all

lint: ## Check format and lints, as CI does
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --features $(every) -- -D warnings
	$(CARGO) clippy -p fieldeye-agent -- -D warnings
