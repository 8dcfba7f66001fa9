# `make demo` and `make test` do everything on a fresh Debian machine that has Rust: each first makes sure that what is needed is there.
# `make help` lists the rest. Nothing here is needed by those who have libclang and like plain cargo: `cargo build` and `cargo test` work.

export PATH := $(PATH):$(HOME)/.cargo/bin
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test check fmt clippy doc deny guard fuzz interop interop-broken openapi verifiers real-data syncs compare release clean

help: ## lists these targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 16

setup: ## installs what is missing, builds RocksDB's library once, writes .cargo/config.toml
	@scripts/setup.sh

demo: setup ## a log and three witnesses, decisions going in, receipts coming back; stays up until Ctrl-C; DEMO_FLAGS=split-view: two histories
	@cargo build --workspace --bins
	@"$$(scripts/target-dir.sh)/debug/acta" demo $(DEMO_FLAGS)

test: setup ## every test, and the README's own commands
	@cargo build --workspace --bins
	cargo test --workspace
	scripts/test-readme.py "$$(scripts/target-dir.sh)/debug"
	scripts/test-verifiers.sh "$$(scripts/target-dir.sh)/debug"

check: setup fmt clippy doc test deny ## what has to pass before a change lands

fmt: setup
	cargo fmt --all --check

clippy: setup
	cargo clippy --workspace --all-targets -- -D warnings

doc: setup
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

deny: setup
	scripts/deny.sh

guard: setup ## whether a part takes more instructions than it did, where valgrind is installed
	scripts/guard.py

fuzz: setup ## every fuzz target for FUZZ_SECONDS each (10)
	scripts/fuzz.sh $(or $(FUZZ_SECONDS),10)

interop: setup ## programs from elsewhere against ours, where Go is installed
	cargo build --workspace --bins
	scripts/interop.sh "$$(scripts/target-dir.sh)/debug"

interop-broken: setup ## the same with something broken: each test has to fail
	cargo build --workspace --bins
	scripts/interop-broken.sh "$$(scripts/target-dir.sh)/debug"

openapi: setup ## the log's HTTP against its OpenAPI document, by schemathesis, where Python is installed
	cargo build --workspace --bins
	scripts/openapi.sh "$$(scripts/target-dir.sh)/debug"

verifiers: setup ## acta verify against the verifiers in Python and JavaScript, where these are installed
	cargo build --package acta-client --bin acta
	scripts/test-verifiers.sh "$$(scripts/target-dir.sh)/debug"

real-data: setup ## publishes a large set of decisions, kills the server on the way, checks everything; INPUT=file or generated
	cargo build --release --workspace --bins
	scripts/real-data.sh $(INPUT)

syncs: setup ## counts what a commit costs: syncs for each add, with slow and with fast disks
	cargo build --release --workspace --bins
	scripts/syncs.sh

compare: setup ## ours and others' programs side by side, and docs/benchmarks.md from it; half an hour; COMPARE_FLAGS=--quick: minutes
	cargo build --release --bin acta --bin acta-log --bin acta-witness
	cargo build --release --package log-server --example store
	interop/compare/compare.py "$$(scripts/target-dir.sh)/release" --json "$$(scripts/target-dir.sh)/compare.json" $(COMPARE_FLAGS)
	interop/compare/write.py "$$(scripts/target-dir.sh)/compare.json"

release: setup ## optimized binaries
	cargo build --release --workspace --bins

clean: ## removes what cargo built here; the cached RocksDB library stays
	cargo clean
