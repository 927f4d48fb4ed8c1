# flotilla: one Makefile, no recursion.  `make help` lists the targets.
#
# common/ links into every program.  scheduler/ and worker/ hold one main.c
# each; everything else in them can also be linked by the unit tests.
# Variants (release, debug, asan, tsan) are the same rules in build/<variant>.

# All cores, unless -j says otherwise.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif

VARIANT ?= release
PREFIX  ?= /usr/local
B       := build/$(VARIANT)
PKGS    := hiredis libevent libevent_openssl libcurl jansson yaml-0.1 libcrypto libssl zlib libpcre2-8
PKG_CONFIG ?= pkg-config
V       ?=
Q       := $(if $(V),,@)
say      = $(if $(V),,@echo '  $(1)' $@)

# ---- flags ------------------------------------------------------------------
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wformat=2 -Wno-format-zero-length -Wundef \
        -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
        -Wwrite-strings -Wcast-qual -Wpointer-arith -Wvla -Wswitch-enum \
        -Wimplicit-fallthrough -Wnull-dereference -Wdouble-promotion
HARD := -fstack-protector-strong -fstack-clash-protection -fPIE -fno-common
SAN  := -fno-omit-frame-pointer -fno-sanitize-recover=all

OPT.debug   := -Og -g3
OPT.release := -O2 -g -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
OPT.asan    := -O1 -g $(SAN) -fsanitize=address,undefined
OPT.tsan    := -O1 -g $(SAN) -fsanitize=thread
ifndef OPT.$(VARIANT)
$(error unknown VARIANT '$(VARIANT)': use release, debug, asan or tsan)
endif

CPPFLAGS := -D_GNU_SOURCE -I. -I$(B)/gen $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
CFLAGS   := -std=c17 $(WARN) $(HARD) $(OPT.$(VARIANT)) $(if $(WERROR),-Werror)
LDFLAGS  := -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed \
            $(filter -fsanitize=%,$(CFLAGS))
LDLIBS   := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null)
TESTLIBS := $(shell $(PKG_CONFIG) --libs check 2>/dev/null)

# ---- what is built from what ------------------------------------------------
obj     = $(patsubst %.c,$(B)/%.o,$(filter-out %/main.c,$(wildcard $(foreach d,$(1),$(d)/*.c))))
ASSETS := $(wildcard common/queue/lua/*.lua scheduler/web/* schemas/*.json)
GEN    := $(ASSETS:%=$(B)/gen/%.o)
PAGES  := $(wildcard deploy/docs/*.md)
COMMON := $(call obj,$(wildcard common/*)) $(GEN)
SCHED  := $(call obj,scheduler scheduler/http)
CLI    := $(call obj,scheduler/cli) $(PAGES:%=$(B)/gen/%.o)
WORKER := $(call obj,worker $(wildcard worker/*))
SIM    := $(call obj,tests/sim)
SUPPORT := $(call obj,tests/support)
DEMO    := $(call obj,deploy/demo) $(B)/deploy/demo/main.o
PROGS  := $(B)/flotilla-scheduler $(B)/flotilla-worker $(B)/flotilla $(B)/together-sim
UNIT   := $(B)/unit
INTEG  := $(B)/integration
BENCH  := $(B)/bench
EXPLORE := $(B)/explore
CHAOS  := $(B)/chaos
SRCS    = $(shell find common scheduler worker tests deploy -name '*.[ch]')
CFILES  = $(filter %.c,$(SRCS))
VERSION := 0.1.0
CPPFLAGS += -DFLOTILLA_VERSION='"$(VERSION)"'

.PHONY: all tests check unit unit-halves integration explore asan tsan memcheck analyze fuzz tidy lint format format-check \
        bench chaos soak demo install uninstall clean help
.DELETE_ON_ERROR:
.SECONDARY:
all: $(PROGS) ## build the programs into build/release (default)

$(B)/flotilla-scheduler: $(SCHED) $(B)/scheduler/main.o $(COMMON)
$(B)/flotilla-worker:    $(WORKER) $(B)/worker/main.o $(COMMON)
$(B)/flotilla:           $(CLI) $(B)/scheduler/cli/main.o $(COMMON)
$(B)/together-sim:       $(SIM) $(B)/tests/sim/main.o $(COMMON)
$(UNIT) $(INTEG) $(BENCH) $(CHAOS): LDLIBS += $(TESTLIBS)
$(B)/tests/unit/%.o $(B)/tests/integration/%.o: CFLAGS += -Wno-missing-prototypes
$(UNIT): $(call obj,tests/unit) $(B)/tests/unit/main.o $(B)/tests/support/certificate.o $(SCHED) $(CLI) $(WORKER) $(SIM) $(COMMON)
$(INTEG): $(call obj,tests/integration tests/chaos) $(B)/tests/integration/main.o $(SUPPORT) $(call obj,common/core)
$(BENCH): $(call obj,tests/bench) $(B)/tests/bench/main.o $(SUPPORT) $(filter-out %/config/program.o,$(COMMON))
$(CHAOS): $(call obj,tests/chaos) $(B)/tests/chaos/main.o $(SUPPORT)
# tests/explore/wire.c stands in for the connection to Redis.
$(EXPLORE): $(call obj,tests/explore) $(B)/tests/explore/main.o $(filter-out $(filter-out %_args.o %_reply.o %_url.o,$(call obj,common/io)) %/connect.o %/program.o,$(COMMON))
$(B)/demo: $(DEMO) $(WORKER) $(COMMON)
$(PROGS) $(UNIT) $(INTEG) $(BENCH) $(EXPLORE) $(CHAOS) $(B)/demo:
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Any asset becomes a NUL-terminated array named after its path:
# common/queue/lua/claim.lua -> asset_common_queue_lua_claim_lua
$(B)/gen/%.c: %
	@mkdir -p $(@D)
	@n=asset_$$(echo '$<' | tr -c 'a-zA-Z0-9\n' _); { \
	 echo "extern const char $$n[]; const char $$n[] = {"; \
	 od -An -v -tx1 $< | sed 's/ *\([0-9a-f][0-9a-f]\)/0x\1,/g'; \
	 echo '0};'; } > $@
$(B)/gen/%.o: $(B)/gen/%.c
	$(Q)$(CC) -std=c17 -fPIE -c -o $@ $<

# The suite lists are made from the file names, so no test file can be forgotten.
$(B)/tests/unit/main.o: $(B)/gen/suites.inc
$(B)/tests/integration/main.o: $(B)/gen/integration.inc
$(B)/gen/suites.inc: $(wildcard tests/unit/test_*.c) Makefile
$(B)/gen/integration.inc: $(wildcard tests/integration/test_*.c) Makefile
$(B)/gen/suites.inc $(B)/gen/integration.inc:
	@mkdir -p $(@D)
	@for t in $(notdir $(basename $(filter %.c,$^))); do echo "SUITE($$t)"; done > $@

# So is the list of pages of `flotilla help`: PAGE(asset, "subject")
$(B)/scheduler/cli/help_pages.o: $(B)/gen/pages.inc
$(B)/gen/pages.inc: $(PAGES) Makefile
	@mkdir -p $(@D)
	@for p in $(basename $(notdir $(PAGES))); do \
	 echo "PAGE(asset_deploy_docs_$$(echo $$p | tr -c 'a-z0-9\n' _)_md, \"$$p\")"; done > $@

# ---- tests and checks -------------------------------------------------------
tests: $(UNIT) $(INTEG) $(BENCH) $(EXPLORE) $(CHAOS) ## build the tests without running them
check: unit-halves $(EXPLORE) ## unit and integration tests, and a short exploration of the protocol
	@nice $(EXPLORE) 30 >$(B)/explore.log 2>&1 & first=$$!; \
	 code=0; $(MAKE) integration || code=1; wait $$first || code=1; cat $(B)/explore.log; exit $$code
unit: $(UNIT) ## unit tests; SUITE=job runs one suite
	$(if $(SUITE),SUITE=$(SUITE) )$(UNIT)
integration: $(PROGS) $(INTEG) ## the real programs with temporary redis-servers; T=kill runs the suites that match
	sh tests/integration/run.sh $(B) $(T)
explore: $(EXPLORE) ## the real scripts in all orders of calls and faults; SECS=3600, S=death (one scope), SEED=7
	$(EXPLORE) $(or $(SECS),60) "$(S)" $(or $(SEED),1)
asan tsan: ## unit tests under AddressSanitizer+UBSan, or ThreadSanitizer
	$(MAKE) VARIANT=$@ unit-halves
unit-halves: $(UNIT)
	@SHARD=1/2 $(UNIT) >$(B)/unit.1.log 2>&1 & first=$$!; \
	 code=0; SHARD=2/2 $(UNIT) >$(B)/unit.2.log 2>&1 || code=1; wait $$first || code=1; \
	 cat $(B)/unit.1.log $(B)/unit.2.log; exit $$code
memcheck: $(UNIT) ## unit tests under valgrind
	CK_FORK=no valgrind -q --leak-check=full --error-exitcode=9 $(UNIT)
analyze: ## gcc's static analyser (it understands the cleanup attribute)
	@for f in $(filter-out tests/%,$(CFILES)); do echo "  ANALYZE $$f"; \
	 gcc $(CPPFLAGS) -std=c17 -O1 -fanalyzer -Werror -c -o /dev/null $$f || exit 1; done
fuzz: $(GEN) ## libFuzzer: make fuzz F=fuzz_job SECS=60
	@mkdir -p $(B)/corpus/$(F)
	clang $(CPPFLAGS) -std=c17 -g -O1 -fsanitize=fuzzer,address,undefined -o $(B)/$(F) \
	 tests/fuzz/$(F).c $(wildcard common/*/*.c) $(wildcard worker/together/*.c) $(wildcard worker/cache/canonical*.c) $(GEN) $(LDLIBS)
	$(B)/$(F) -max_total_time=$(or $(SECS),60) $(B)/corpus/$(F) $(wildcard tests/fuzz/seeds/$(F))
tidy: $(B)/gen/suites.inc $(B)/gen/integration.inc $(B)/gen/pages.inc ## clang-tidy, with the function-size limits of .clang-tidy
	@# One file per process: version 14 mistakes va_lists in the second of several.
	printf '%s\n' $(CFILES) | xargs -P "$$(nproc)" -I{} clang-tidy --quiet {} -- $(CPPFLAGS) -std=c17
lint: ## banned functions, wrong includes, shell scripts
	sh tests/support/lint.sh
format: ## rewrite all C files with clang-format
	clang-format -i $(SRCS)
format-check: ## check the format of all C files
	@clang-format --dry-run -Werror $(SRCS)
chaos: $(PROGS) $(CHAOS) ## random kills, cuts and errors for MINUTES=10; SEED=n repeats a run, ROUND=n one round
	$(CHAOS)
soak: $(PROGS) $(CHAOS) ## MINUTES=20 at RATE=500 jobs per second; memory must stay flat
	$(CHAOS) soak
bench: $(PROGS) $(BENCH) ## the benchmarks, side by side in one run; W=drain runs those that match, QUICK=1 is short
	sh tests/bench/run.sh $(B) $(W)
demo: $(PROGS) $(B)/demo ## 500 mixed jobs through the real programs, with failures, in 30 s
	sh deploy/demo/demo.sh $(B)

# ---- install ----------------------------------------------------------------
SHARE := $(DESTDIR)$(PREFIX)/share
install: all ## install programs, config example, manual and man pages under DESTDIR/PREFIX
	install -D -t $(DESTDIR)$(PREFIX)/bin $(B)/flotilla-scheduler $(B)/flotilla-worker $(B)/flotilla
	install -D -m644 -t $(SHARE)/flotilla deploy/flotilla.yaml $(wildcard schemas/*.json)
	install -D -m644 -t $(SHARE)/doc/flotilla README.md CONTRIBUTING.md LICENSE $(PAGES)
	@# The links follow the files.
	sed -i 's,](deploy/docs/,](,g; s,](../../schemas/,](../../flotilla/,g' $(SHARE)/doc/flotilla/*.md
	install -D -m644 -t $(SHARE)/flotilla/redis deploy/redis/users.acl deploy/redis/users.sh
	$(if $(wildcard deploy/man/*.1),install -D -m644 -t $(SHARE)/man/man1 $(wildcard deploy/man/*.1))
	$(if $(wildcard deploy/man/*.5),install -D -m644 -t $(SHARE)/man/man5 $(wildcard deploy/man/*.5))
	$(if $(wildcard deploy/man/*.8),install -D -m644 -t $(SHARE)/man/man8 $(wildcard deploy/man/*.8))
uninstall: ## remove the installed files
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,flotilla-scheduler flotilla-worker flotilla)
	rm -rf $(SHARE)/flotilla $(SHARE)/doc/flotilla
	rm -f $(foreach s,1 5 8,$(addprefix $(SHARE)/man/man$(s)/,$(notdir $(wildcard deploy/man/*.$(s)))))
clean: ## remove build/
	rm -rf build
help: ## this list
	@sed -n 's/^\([a-z][a-z -]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
	 awk -F'|' '{ printf "  %-14s %s\n", $$1, $$2 }'

-include $(shell find $(B) -name '*.d' 2>/dev/null)
