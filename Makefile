# Everything a contributor runs. The first two targets are all that a newcomer needs.

.DEFAULT_GOAL := help
.PHONY: help demo deb static test lint bench bench-sweep compare shards compose-check lab-install lab-up lab-down schema advisories deny

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: ## scan a small fleet served in this process; report on screen and in target/demo/
	cargo run --quiet --locked --example demo

CARGO_DEB = target/tools/bin/cargo-deb

deb: $(CARGO_DEB) ## build the Debian package, into target/debian/
	cargo build --release --locked
	scripts/package-assets target/release/docksweep
	$(CARGO_DEB) --no-build --output target/debian/

static: ## build a program that needs no library of the machine (needs musl-tools and the target)
	cargo build --release --locked --target x86_64-unknown-linux-musl

# Built once, some minutes; kept with what else is built.
$(CARGO_DEB):
	cargo install cargo-deb --locked --quiet --version 3.8.0 --root target/tools

# A failed assertion names its line; traces of the runtime beneath it would only hide it in a log.
test: lab-install $(CARGO_DEB) ## install what the lab needs, start real servers, run every test, in both builds
	tests/lab/lab.sh up
	status=0; export RUST_BACKTRACE=0; \
	{ DOCKSWEEP_LAB=up cargo test --locked && \
	  DOCKSWEEP_LAB=up cargo test --locked --features legacy-tls --lib --test suite -- legacy truth; } || status=$$?; \
	tests/lab/lab.sh down; exit $$status

lint: ## formatting, clippy with warnings as errors, docs, shell scripts
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --all-targets --features legacy-tls -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --quiet
	benches/check-scripts.sh

bench: ## compare with other scanners on this machine; prints the README's tables
	benches/run.sh

bench-sweep: ## compare sweeps in a network of its own (needs root)
	benches/sweep/run.sh

compare: ## compare verdicts on TLS versions with other scanners; writes tests/compare/README.md (root)
	tests/compare/run.sh

shards: ## scan in shards by a real Slurm array and GNU parallel, and merge (root)
	tests/shards/run.sh

compose-check: ## check docker-compose.test.yml (needs docker-compose)
	docker-compose -f docker-compose.test.yml config --quiet

lab-install:
	tests/lab/install.sh

lab-up: ## start the lab and leave it running
	tests/lab/lab.sh up

lab-down: ## stop the lab
	tests/lab/lab.sh down

schema: ## write schema/report-v1.json anew from the types
	UPDATE_SCHEMA=1 cargo test --locked --lib schema

advisories: ## make data/*.json anew from the tables beside them
	scripts/make-advisories

deny: ## licences, sources and duplicates of the dependencies (needs cargo-deny)
	cargo deny check bans licenses sources
