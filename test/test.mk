# Targets that test, fuzz, measure and show.
.PHONY: test lint demo bench fuzz fuzz-bins docs
test:
	deploy/need build run demo test
	BUILD=$(BUILD) $(PYTHON) test/run.py $(if $(FAST),--fast) $(if $(ONLY),--only $(ONLY)) $(if $(MATCH),--match "$(MATCH)")

lint: $(PROTO_STAMP)
	GEN=$(GEN) $(PYTHON) test/lint/lint.py

FUZZ_SRCS := $(wildcard test/fuzz/fuzz_*.c)
FUZZ_BINS := $(FUZZ_SRCS:test/fuzz/%.c=$(BUILD)/fuzz/%)
FUZZ_SECONDS ?= 600
# The fuzzers compile the pure folders anew with clang, instrumented for coverage.
FUZZ_FOLDERS := common/base common/pbtext common/scope components/record components/convert components/endpoint/mysql/binlog components/endpoint/mysql/ddl components/incr_sync/core
FUZZ_LIB_SRCS := $(foreach d,$(FUZZ_FOLDERS),$(wildcard $(d)/*.c)) $(wildcard components/stream/stream_frame*.c) components/store/segment.c components/store/pack.c common/os/fileio.c
FUZZ_OBJS := $(FUZZ_LIB_SRCS:%.c=$(BUILD)/fuzz/obj/%.o) $(PROTO_C:$(GEN)/%.c=$(BUILD)/fuzz/obj/gen/%.o)
FUZZ_CFLAGS := -std=gnu17 -D_GNU_SOURCE -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
  -I. -I$(GEN) $(PKG_CFLAGS) -w
fuzz-bins: $(FUZZ_BINS)
$(BUILD)/fuzz/obj/%.o: %.c | $(PROTO_STAMP)
	@mkdir -p $(@D)
	$(Q)$(CCACHE) clang-14 $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/fuzz/obj/gen/%.o: $(GEN)/%.c
	@mkdir -p $(@D)
	$(Q)$(CCACHE) clang-14 $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/fuzz/%: test/fuzz/%.c $(FUZZ_OBJS)
	@mkdir -p $(@D)
	@echo "FUZZ  $@"
	$(Q)clang-14 $(FUZZ_CFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $^ -lprotobuf-c -lyaml -lzstd -lz -lxxhash -lm -lpthread
-include $(FUZZ_OBJS:.o=.d)
fuzz: fuzz-bins
	$(PYTHON) test/fuzz/run.py --seconds $(FUZZ_SECONDS) --bin $(BUILD)/fuzz

# A random workload under random faults, again and again, then the main job under kills; each round prints its seed
# (OMS_SEED=n repeats one; FAULTS=n for longer rounds).
ROUNDS ?= 20
FAULTS ?= 20
.PHONY: chaos soak
chaos:
	deploy/need build run demo test
	$(MAKE) --no-print-directory VARIANT=asan bins
	OMS_BIN=$(BUILD)/asan/bin ASAN_OPTIONS=detect_leaks=0 /usr/bin/python3 test/proof/run.py --rounds $(ROUNDS) --faults $(FAULTS) --switches cascade,xa,ddl
	OMS_BIN=$(BUILD)/asan/bin ASAN_OPTIONS=detect_leaks=0 /usr/bin/python3 test/proof/run.py --rounds $(ROUNDS) --faults $(FAULTS) --source mysql
	OMS_BIN=$(BUILD)/asan/bin ASAN_OPTIONS=detect_leaks=0 /usr/bin/python3 test/proof/run.py --rounds $(ROUNDS) --faults $(FAULTS) --source mysql --target mysql --switches ddl
	OMS_BIN=$(BUILD)/asan/bin ASAN_OPTIONS=detect_leaks=0 /usr/bin/python3 test/proof/run.py --rounds $(ROUNDS) --faults $(FAULTS) --switches ddl,early
	OMS_SEED=$${OMS_SEED:-random} OMS_BIN=$(BUILD)/asan/bin ASAN_OPTIONS=detect_leaks=0 /usr/bin/python3 -m pytest -q -s -p no:cacheprovider test/system -k "survives_kills"
# The demo at ten times the rows, then hours of chaos.
soak:
	$(MAKE) --no-print-directory demo ROWS=10000000
	$(MAKE) --no-print-directory chaos ROUNDS=300

# One transaction of 5 GB (MB=n) through the Store and to the target, both killed halfway; wants 40 GB of disk and minutes.
MB ?= 5000
.PHONY: huge
huge:
	deploy/need build run demo test
	$(MAKE) --no-print-directory -j$(shell nproc) bins
	OMS_BIN=$(BUILD)/bin OMS_HUGE_MB=$(MB) /usr/bin/python3 -m pytest -q -s -p no:cacheprovider test/system/test_store_huge.py test/system/test_huge.py -k "whole"

docs: $(OUT)/bin/oms
	@mkdir -p docs/reference
	$(Q)PYTHON=$(PYTHON) protoc --plugin=protoc-gen-omsrules=proto/plugin/protoc-gen-omsrules --omsrules_opt=docs --omsrules_out=docs/reference -I. -I/usr/include $(PROTOS)
	$(Q)$(OUT)/bin/oms explain --markdown > docs/reference/errors.md
	$(Q)$(OUT)/bin/oms help --markdown > docs/reference/cli.md

demo:
	deploy/need build run demo
	$(MAKE) --no-print-directory -j$(shell nproc) bins
	OMS_BIN=$(BUILD)/bin /usr/bin/python3 deploy/sample/demo.py $(if $(KEEP),--keep) $(if $(ROWS),--rows $(ROWS))

bench:
	deploy/need build run demo bench
	$(MAKE) --no-print-directory -j$(shell nproc) bins $(BUILD)/test/bench/decode_log
	OMS_BIN=$(BUILD)/bin /usr/bin/python3 test/bench/bench.py $(if $(WORK),--work $(WORK)) --out $(BUILD)/bench/results.json
