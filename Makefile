# make demo, make test: all that a newcomer needs. make help lists the rest.
PREFIX ?= /usr/local
DESTDIR ?=
SWIFT ?= swift
FUZZ_SECONDS ?= 60
RELEASE = -c release --static-swift-stdlib -Xlinker -s
PROGRAM = .build/release/storlib

bindir = $(DESTDIR)$(PREFIX)/bin
mandir = $(DESTDIR)$(PREFIX)/share/man/man1
bashdir = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
zshdir = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
fishdir = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
unitdir = $(DESTDIR)$(PREFIX)/lib/systemd/system

.PHONY: help demo test release no-traits sanitize fuzz lint format docs bench install uninstall clean

help:
	@echo "make demo        build, and run the main job on a scratch folder"
	@echo "make test        run every test"
	@echo "make release     build the program, with Swift's runtime inside"
	@echo "make no-traits   build without the backends that are built on C libraries of their own"
	@echo "make sanitize    run the library's tests under the address sanitizer, without traits"
	@echo "make fuzz        try hostile images of each format, for FUZZ_SECONDS each (default 60)"
	@echo "make lint        check the format; make format mends it"
	@echo "make docs        build the documentation"
	@echo "make bench       measure, beside the peers that are installed"
	@echo "make install     install below PREFIX (default /usr/local), in DESTDIR; make uninstall removes it"

demo: release
	scripts/demo $(PROGRAM)

test:
	scripts/install-dependencies test
	$(SWIFT) build --build-tests
	$(SWIFT) test --skip-build

release:
	scripts/install-dependencies
	$(SWIFT) build $(RELEASE) --product storlib

no-traits:
	scripts/install-dependencies
	$(SWIFT) build --disable-default-traits --scratch-path .build-no-traits

# The address sanitizer is not with it: the fuzzer then gets no feedback.
fuzz:
	scripts/install-dependencies
	STORLIB_FUZZ=1 $(SWIFT) build -c release --sanitize=fuzzer --disable-default-traits --scratch-path .build-fuzz \
		--product imagefuzz
	Fuzz/run .build-fuzz/release/imagefuzz $(FUZZ_SECONDS) .build-fuzz/fuzz

# Without traits: libparted, once a trait links it, is stopped by the sanitizer at its loading.
sanitize:
	scripts/install-dependencies test
	$(SWIFT) build --build-tests --sanitize=address --disable-default-traits --scratch-path .build-sanitize
	ASAN_OPTIONS=detect_leaks=0 $(SWIFT) test --skip-build --sanitize=address --disable-default-traits \
		--scratch-path .build-sanitize --filter "StorageBaseTests|StorageKitTests"

lint:
	$(SWIFT) format lint --strict --recursive Sources Tests Fuzz Benchmarks/Sources Package.swift Benchmarks/Package.swift

format:
	$(SWIFT) format --in-place --recursive Sources Tests Fuzz Benchmarks/Sources Package.swift Benchmarks/Package.swift

docs:
	scripts/install-dependencies
	STORLIB_DOCS=1 $(SWIFT) package --scratch-path .build-docs generate-documentation --target StorageKit \
		--warnings-as-errors

bench: release
	$(SWIFT) build -c release --static-swift-stdlib --package-path Benchmarks
	Benchmarks/.build/release/storbench $(abspath $(PROGRAM))

install: release
	install -D -m 755 $(PROGRAM) $(bindir)/storlib
	install -D -m 644 packaging/storlib.1 $(mandir)/storlib.1
	install -d $(bashdir) $(zshdir) $(fishdir) $(unitdir)
	$(PROGRAM) --generate-completion-script bash > $(bashdir)/storlib
	$(PROGRAM) --generate-completion-script zsh > $(zshdir)/_storlib
	$(PROGRAM) --generate-completion-script fish > $(fishdir)/storlib.fish
	sed 's|@PREFIX@|$(PREFIX)|' packaging/storlib-autostart.service.in > $(unitdir)/storlib-autostart.service

uninstall:
	rm -f $(bindir)/storlib $(mandir)/storlib.1 $(bashdir)/storlib $(zshdir)/_storlib $(fishdir)/storlib.fish \
		$(unitdir)/storlib-autostart.service

clean:
	rm -rf .build .build-* Benchmarks/.build
