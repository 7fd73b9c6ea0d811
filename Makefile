# One graph for everything. `make help` lists the targets.
#   BUILD=dir     where everything built goes (default build)
#   VARIANT=      release (default) | asan (ASan+UBSan, fault points) | tsan (TSan, fault points)
BUILD   ?= build
VARIANT ?= release
PREFIX  ?= /usr/local
CC      ?= gcc
PYTHON  ?= /usr/bin/python3
V       ?= 0
Q       := $(if $(filter 1,$(V)),,@)
CCACHE  := $(shell command -v ccache 2>/dev/null)

ifeq ($(VARIANT),release)
OUT := $(BUILD)
OPT := -O2 -g
else ifeq ($(VARIANT),asan)
OUT := $(BUILD)/asan
OPT := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined -DOMS_FAULTS=1
else ifeq ($(VARIANT),tsan)
OUT := $(BUILD)/tsan
OPT := -O1 -g -fno-omit-frame-pointer -fsanitize=thread -DOMS_FAULTS=1
else
$(error VARIANT is release, asan or tsan, not '$(VARIANT)')
endif

GEN := $(BUILD)/gen
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
        -Wwrite-strings -Wvla -Wimplicit-fallthrough -Wformat=2 -Wundef
PKGS := libprotobuf-c libpq libmariadb yaml-0.1 jansson openssl libuv libzstd libxxhash
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
CFLAGS := -std=gnu17 -D_GNU_SOURCE $(OPT) $(WARN) -fPIE -pthread -I. -I$(GEN) $(PKG_CFLAGS)
LDFLAGS := -pie -pthread -Wl,--as-needed
LDLIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lnng -lz -lm

# Folders in layer order, top first: the link order (test/lint/layers says who may include whom).
FOLDERS := $(shell sed -n 's/^\([a-z_\/]*\):.*/\1/p' test/lint/layers)
FOLDERS := $(foreach d,$(FOLDERS),$(if $(filter proto,$(d))$(wildcard $(d)/*.c),$(d)))
LIBS := $(foreach d,$(FOLDERS),$(OUT)/lib/$(subst /,_,$(d)).a)

# program:folder; the program's main is folder/main.c, kept out of the folder's archive.
PROGRAMS := oms-cm:cm oms:cm/cli oms-supervisor:supervisor oms-store:components/store \
  oms-incr-sync:components/incr_sync oms-full-import:components/full_import \
  oms-full-verification:components/full_verification oms-task:components/task
PROGRAMS := $(foreach p,$(PROGRAMS),$(if $(wildcard $(word 2,$(subst :, ,$(p)))/main.c),$(p)))
BINS := $(foreach p,$(PROGRAMS),$(OUT)/bin/$(firstword $(subst :, ,$(p))))

.DEFAULT_GOAL := all
.PHONY: all bins libs help clean install
all: bins
bins: $(BINS)
libs: $(LIBS)

# --- generated code: protobuf-c, and the plugin's tables ------------------------------------------
PROTOS := $(wildcard proto/*.proto)
PROTO_C := $(PROTOS:proto/%.proto=$(GEN)/proto/%.pb-c.c) $(GEN)/google/protobuf/descriptor.pb-c.c $(GEN)/proto/rules.c
PROTO_STAMP := $(GEN)/.stamp
$(PROTO_STAMP): $(PROTOS) $(wildcard proto/plugin/*)
	@echo "GEN   proto"
	$(Q)mkdir -p $(GEN)/proto $(GEN)/google/protobuf
	$(Q)protoc-c --c_out=$(GEN) -I. -I/usr/include $(PROTOS)
	$(Q)protoc-c --c_out=$(GEN) -I/usr/include google/protobuf/descriptor.proto
	$(Q)test -x proto/plugin/protoc-gen-omsrules || echo 'typedef int no_rules_yet;' > $(GEN)/proto/rules.c
	$(Q)test ! -x proto/plugin/protoc-gen-omsrules || PYTHON=$(PYTHON) protoc --plugin=protoc-gen-omsrules=proto/plugin/protoc-gen-omsrules --omsrules_out=$(GEN)/proto -I. -I/usr/include $(PROTOS)
	$(Q)touch $@
$(PROTO_C): $(PROTO_STAMP) ;
GEN_CFLAGS := -Wno-error -w

# --- archives and programs -------------------------------------------------------------------------
define FOLDER_RULES
SRCS_$(1) := $$(filter-out $(1)/main.c,$$(wildcard $(1)/*.c))
OBJS_$(1) := $$(SRCS_$(1):%.c=$(OUT)/obj/%.o)
$(OUT)/lib/$(subst /,_,$(1)).a: $$(OBJS_$(1))
	@mkdir -p $$(@D)
	$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach d,$(filter-out proto,$(FOLDERS)),$(eval $(call FOLDER_RULES,$(d))))
PROTO_OBJS := $(PROTO_C:$(GEN)/%.c=$(OUT)/obj/gen/%.o)
$(OUT)/lib/proto.a: $(PROTO_OBJS)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^
$(OUT)/obj/gen/%.o: $(GEN)/%.c
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(CC) $(CFLAGS) $(GEN_CFLAGS) -MMD -MP -c -o $@ $<
$(OUT)/obj/%.o: %.c | $(PROTO_STAMP)
	@mkdir -p $(@D)
	@echo "CC    $<"
	$(Q)$(CCACHE) $(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

define PROGRAM_RULES
$(OUT)/bin/$(1): $(OUT)/obj/$(2)/main.o $(LIBS)
	@mkdir -p $$(@D)
	@echo "LINK  $$@"
	$(Q)$(CC) $(OPT) $(LDFLAGS) -o $$@ $$^ $(LDLIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call PROGRAM_RULES,$(word 1,$(subst :, ,$(p))),$(word 2,$(subst :, ,$(p))))))

# --- unit, contract and simulation tests: one program a file, cmocka --------------------------------
TEST_SRCS := $(shell find test/unit test/contract test/sim -name 'test_*.c' 2>/dev/null)
TEST_LIB_SRCS := $(wildcard test/lib/*.c)
TEST_LIB := $(if $(TEST_LIB_SRCS),$(OUT)/lib/test_lib.a)
$(OUT)/lib/test_lib.a: $(TEST_LIB_SRCS:%.c=$(OUT)/obj/%.o)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^
TEST_BINS := $(TEST_SRCS:test/%.c=$(OUT)/test/%)
.PHONY: test-bins
test-bins: $(TEST_BINS)
$(OUT)/test/%: $(OUT)/obj/test/%.o $(TEST_LIB) $(LIBS)
	@mkdir -p $(@D)
	@echo "LINK  $@"
	$(Q)$(CC) $(OPT) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

-include test/test.mk

install: bins
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BINS) $(DESTDIR)$(PREFIX)/bin

clean:
	rm -rf $(BUILD)

help:
	@sed -n 's/^# *//p' Makefile | head -3
	@echo
	@echo 'all (default)  build every program to $(BUILD)/bin'
	@echo 'demo           a live shop moves while processes are killed (KEEP=1 leaves it up, ROWS=n)'
	@echo 'test           lint, unit, contract, simulation, fuzz corpora, system (FAST=1: the short loop)'
	@echo 'lint           what the style asks for and a machine can check'
	@echo 'bench          each work beside its peer (WORK=name)'
	@echo 'fuzz           every fuzzer for FUZZ_SECONDS (600)'
	@echo 'chaos, soak    a random workload under random faults (ROUNDS=20 FAULTS=20); the demo at ten times the rows, then chaos'
	@echo 'huge           a transaction of 5 GB (MB=n) in bounded memory, through kills; 40 GB of disk'
	@echo 'docs           the generated reference in docs/reference'
	@echo 'install        programs to PREFIX/bin (PREFIX=/usr/local)'
	@echo 'clean          remove $(BUILD)'

ifneq ($(MAKECMDGOALS),clean)
-include $(shell find $(OUT)/obj -name '*.d' 2>/dev/null)
endif
.SECONDARY:
