#!/usr/bin/python3
"""What the style guide asks for and a machine can check. One line a finding, one result a check.

Usage: test/lint/lint.py [CHECK...]      exits 1 when anything was found
"""
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MAX_FILE, MAX_FUNCTION, MAX_COMPLEXITY, MAX_COLUMNS = 500, 80, 15, 100
GEN = os.environ.get("GEN", "build/gen")

UNSAFE = r"\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atoll|strtok|tmpnam|mktemp)\s*\("
BANNED = {  # in the product; UNSAFE in tests, too
    UNSAFE: "unsafe call",
    r"\b(system|popen|fork|vfork)\s*\(": "processes are started by common/os/spawn.h",
    r"\b(sleep|usleep|nanosleep)\s*\(": "a wait has a deadline and a condition",
    r"\bprotobuf_c_message_free_unpacked\s*\(|__free_unpacked\s*\(": "messages live in an arena",
    r"\bassert\s*\(": "must() stays on in production",
    r"\brename\s*\(": "durable_write_file renames and syncs",
    r"#\s*include\s*<assert\.h>": "must.h instead",
}
# Where a banned call is at home.
ALLOWED = {"common/os/durable.c": {"rename"}, "common/log/log.c": {"rename"},
           "common/os/fault.c": {"nanosleep"}}
LIBRARIES = {  # header pattern -> the folders that may include it
    r"nng/": ["common/rpc"],
    r"uv\.h": ["common/os", "common/rpc", "cm", "supervisor"],
    r"(postgresql/)?libpq-fe\.h": ["cm/meta"],
    r"(mysql/|mariadb/|mysql\.h|errmsg\.h|mysqld_error\.h|ma_)": ["components/endpoint/mysql"],
    r"librdkafka/": [],
    r"microhttpd\.h": ["cm/console"],
    r"openssl/": ["common/crypto", "components/endpoint/mysql", "components/stream"],
    r"yaml\.h": ["common/pbtext"],
}
PURE = ["common/base", "common/scope", "cm/core", "supervisor/core", "components/record",
        "components/transform", "components/convert", "components/format",
        "components/endpoint/mysql/binlog", "components/endpoint/mysql/ddl",
        "components/incr_sync/core", "components/full_import/core",
        "components/full_verification/core"]
IMPURE_HEADERS = re.compile(r"<(unistd|fcntl|pthread|time|signal|sys/(?!types)[a-z]+|netdb|poll|dirent|"
                            r"threads|uv|spawn)\.h>|\"common/(os|log)/")
PURE_EXCEPTIONS = {("common/base/time.c", "<time.h>"), ("components/record/txn_id.c", "<pthread.h>"),
                   ("components/endpoint/mysql/binlog", "\"common/os/")}


def sh(*argv, **kw):
    return subprocess.run(argv, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)


def tracked(*patterns):
    out = sh("git", "ls-files", "-co", "--exclude-standard", "--", *patterns).stdout.split("\n")
    return sorted(f for f in out if f and os.path.isfile(os.path.join(ROOT, f)))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def code_only(text):
    """The text with comments and string contents blanked, line breaks kept."""
    def blank(m):
        s = m.group(0)
        if s[0] in "\"'":
            return s[0] + " " * (len(s) - 2) + s[-1]
        return re.sub(r"[^\n]", " ", s)
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def sources():
    return [f for f in tracked("*.c", "*.h") if not f.startswith("build/")]


def product():
    return [f for f in sources() if not f.startswith("test/")]


def includes(path):
    for n, line in enumerate(read(path).split("\n"), 1):
        m = re.match(r'\s*#\s*include\s*([<"][^>"]+[>"])', line)
        if m:
            yield n, m.group(1)


def check_format():
    r = sh("clang-format-14", "--dry-run", "--Werror", *sources())
    seen = []
    for line in r.stdout.split("\n"):
        m = re.match(r"([^:]+):(\d+):.*code should be clang-formatted", line)
        if m and m.group(1) not in seen:
            seen.append(m.group(1))
            yield f"{m.group(1)}:{m.group(2)}: not formatted (clang-format-14 -i)"


def check_sizes():
    for f in tracked("*.c", "*.h", "*.py", "*.proto"):
        n = read(f).count("\n")
        if n > MAX_FILE:
            yield f"{f}: {n} lines, at most {MAX_FILE}"
    for f in tracked("*.py"):
        for n, line in enumerate(read(f).split("\n"), 1):
            if len(line) > 150:
                yield f"{f}:{n}: {len(line)} columns"


def check_functions():
    c = [f for f in sources() if f.endswith(".c")]
    for line in sh("pmccabe", *c).stdout.split("\n"):
        p = line.split("\t")
        if len(p) < 6 or not p[0].isdigit():
            continue
        cyclomatic, lines, place = int(p[0]), int(p[4]), p[5]
        if lines > MAX_FUNCTION:
            yield f"{place}: {lines} lines, at most {MAX_FUNCTION}"
        if cyclomatic > MAX_COMPLEXITY:
            yield f"{place}: cyclomatic complexity {cyclomatic}, at most {MAX_COMPLEXITY}"


def layers():
    table = {}
    for line in read("test/lint/layers").split("\n"):
        if line and not line.startswith("#"):
            folder, allowed = line.split(":")
            table[folder] = allowed.split()
    return table


def check_layers():
    table = layers()
    order = list(table)
    for folder, allowed in table.items():
        for a in allowed:
            if a not in table:
                yield f"test/lint/layers: '{folder}' names unknown folder '{a}'"
            elif order.index(a) < order.index(folder) and {a, folder} != {
                    "components/endpoint", "components/endpoint/mysql"}:
                yield f"test/lint/layers: '{folder}' looks up to '{a}'"
    for f in product():
        folder = os.path.dirname(f)
        if folder not in table:
            yield f"{f}: folder '{folder}' is not in test/lint/layers"
            continue
        for n, inc in includes(f):
            if inc[0] != '"':
                continue
            path = inc[1:-1]
            to = os.path.dirname(path)
            if to == folder:
                continue
            if path.endswith("_priv.h"):
                yield f"{f}:{n}: private header of another folder: {path}"
            if to.startswith("google/"):
                to = "proto"
            if to not in table:
                yield f"{f}:{n}: {inc} is not included from the root"
            elif to not in table[folder]:
                yield f"{f}:{n}: '{folder}' may not include '{to}'"


def check_libraries():
    for f in product():
        for n, inc in includes(f):
            for pattern, homes in LIBRARIES.items():
                if inc[0] == "<" and re.match("<" + pattern, inc):
                    if not any(os.path.dirname(f) == h or os.path.dirname(f).startswith(h + "/") for h in homes):
                        yield f"{f}:{n}: {inc} is included only in {', '.join(homes) or 'no folder yet'}"


def check_pure():
    for f in product():
        if not any(os.path.dirname(f) == p for p in PURE):
            continue
        for n, inc in includes(f):
            m = IMPURE_HEADERS.match(inc)
            if m and not any(f.startswith(p) and inc.startswith(h) for p, h in PURE_EXCEPTIONS):
                yield f"{f}:{n}: a pure folder includes {inc}"


def check_banned():
    for f in product():
        text = code_only(read(f))
        for n, line in enumerate(text.split("\n"), 1):
            for pattern, why in BANNED.items():
                m = re.search(pattern, line)
                if m and not any(a in m.group(0) for a in ALLOWED.get(f, ())):
                    if re.search(r"[>.]\s*" + re.escape(m.group(0)), line):
                        continue  # a member of that name
                    yield f"{f}:{n}: {m.group(0).strip()}...): {why}"
    for f in tracked("test/*.[ch]"):
        for n, line in enumerate(code_only(read(f)).split("\n"), 1):
            m = re.search(UNSAFE, line)
            if m:
                yield f"{f}:{n}: {m.group(0).strip()}...): unsafe call"
    for f in tracked("*.proto"):
        for n, line in enumerate(read(f).split("\n"), 1):
            if re.search(r"\bstream\b", line.split("//")[0]):
                yield f"{f}:{n}: 'stream' is ignored silently by protoc-c"


def check_headers():
    flags = ["-std=gnu17", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-I.", "-I" + GEN]
    flags += sh("pkg-config", "--cflags", "libmariadb", "libpq", "libuv").stdout.split()

    def one(f):
        r = sh("gcc", *flags, "-x", "c", "-", input=f'#include "{f}"\n#include "{f}"\n')
        return None if r.returncode == 0 else f"{f}: not self-sufficient: " + next(
            (x for x in r.stdout.split("\n") if "error" in x), r.stdout[:200])
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        yield from filter(None, pool.map(one, [f for f in sources() if f.endswith(".h")]))


def check_clang():
    """A second compiler's warnings."""
    flags = ["-std=gnu17", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-I.",
             "-I" + GEN]
    flags += sh("pkg-config", "--cflags", "libmariadb", "libpq", "libuv").stdout.split()

    def one(f):
        r = sh("clang-14", *flags, f)
        return None if r.returncode == 0 else next((x for x in r.stdout.split("\n") if "error" in x), r.stdout[:200])
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        yield from filter(None, pool.map(one, [f for f in sources() if f.endswith(".c") and "test/fuzz" not in f]))


def check_text():
    """The project speaks of itself alone; nothing unfinished is left lying about."""
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|(?i:\.\./shared|/work/|issue #?\d+|\b(deb\.debian\.org|pypi\.org)\b)")
    for f in tracked():
        if f.startswith("test/lint/") or f.startswith("test/data/") or f.endswith(".binlog"):
            continue
        for n, line in enumerate(read(f).split("\n"), 1):
            m = words.search(line)
            if m:
                yield f"{f}:{n}: '{m.group(0)}' does not belong in the project"


def check_sleeps():
    """A test polls with a deadline, through the one helper that does."""
    for f in tracked("test/*.c", "test/*.py", "test/*.h"):
        if f in ("test/system/lib/poll.py", "test/lib/poll.c") or f.startswith("test/lint/"):
            continue
        for n, line in enumerate(read(f).split("\n"), 1):
            if re.search(r"\b(usleep|nanosleep|sleep)\s*\(", line) and "poll" not in f:
                yield f"{f}:{n}: a test does not sleep to wait"


def check_precheck_ids():
    pattern = re.compile(r'"((?:source|target|pair|table|object|scope|store)\.[a-z_.]+)"')
    table = set(pattern.findall(read("common/base/check_table.h")))
    used = set()
    for f in tracked("components/endpoint/mysql/checks*.c", "components/task/*.c"):
        used |= set(pattern.findall(read(f)))
    for name in sorted(used ^ table):
        yield f"common/base/check_table.h: '{name}' is {'not in the table' if name in used else 'used by no check'}"


def folders_with_code():
    found = set()
    for f in product():
        found.add(os.path.dirname(f))
    return found


def check_docs():
    doc = "docs/architecture.md"
    if not os.path.exists(os.path.join(ROOT, doc)):
        yield f"{doc} is missing"
        return
    named = set(re.findall(r"^([a-z_/]+)/\s{2,}\S", read(doc), flags=re.M))
    for folder in sorted(folders_with_code() - named):
        yield f"{doc}: the tree lacks '{folder}/'"
    for folder in sorted(named):
        if not os.path.isdir(os.path.join(ROOT, folder)):
            yield f"{doc}: the tree names '{folder}/', which does not exist"
    if os.path.exists(os.path.join(ROOT, "docs/walks.md")):
        text = "\n".join(code_only(read(f)) for f in product() + tracked("*.proto") if f.endswith((".c", ".h", ".proto")))
        words = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text))
        for symbol in re.findall(r"`([a-z_][A-Za-z0-9_]*)\(\)`", read("docs/walks.md")):
            if symbol not in words:
                yield f"docs/walks.md: quotes `{symbol}()`, which does not exist"
    yield from correctness_findings()
    yield from link_findings()


RULES = {"F": 7, "A": 21, "B": 6, "C": 10, "E": 5}


def correctness_findings():
    """Every rule and every trap has its line, and every test that a line names is in its file."""
    rows = dict(re.findall(r"^\| ([FABCE]\d+) \|(.*)\|\s*$", read("docs/correctness.md"), flags=re.M))
    traps = dict(re.findall(r"^\| (T\d+) \|(.*)\|\s*$", read("docs/traps.md"), flags=re.M))
    for letter, n in RULES.items():
        for name in (f"{letter}{i}" for i in range(1, n + 1)):
            if name not in rows:
                yield f"docs/correctness.md: rule {name} has no line"
    yield from named_tests("docs/correctness.md", rows)
    yield from named_tests("docs/traps.md", traps)


def named_tests(doc, rows):
    for name, row in rows.items():
        path = None
        for word in re.findall(r"`([^`]+)`", row.split("|")[-1]):
            if word.startswith("test/"):
                path = word
                if not os.path.exists(os.path.join(ROOT, path)):
                    yield f"{doc}: {name} names '{path}', which does not exist"
                    path = None
            elif path and not re.search(rf"\b{re.escape(word)}\b", read(path)):
                yield f"{doc}: {name} names '{word}', which is not in {path}"


def link_findings():
    for f in tracked("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", read(f)):
            if "://" not in target and not os.path.exists(os.path.join(ROOT, os.path.dirname(f), target)):
                yield f"{f}: links to '{target}', which does not exist"


REACTIONS = {"RETRY": "tried again by itself", "STOP": "stops and waits for a person",
             "FENCE": "this process stops writing at once", "BUG": "a defect; stops"}


def error_reference():
    """What `oms explain --markdown` prints, from the table alone."""
    out = sh("gcc", "-E", "-P", "-", input='#include "common/base/err_table.h"\nERR_TABLE(ROW)\n').stdout
    literal = r'((?:"(?:\\.|[^"\\])*"\s*)+)'
    text = ("# Error codes\n\nMade from the table of errors by `make docs`; `oms explain CODE` prints one.\n")
    for m in re.finditer(rf"ROW\(\s*(\w+),\s*(\w+),\s*{literal},\s*{literal},\s*{literal}\)", out):
        meaning, cause, remedy = ("".join(re.findall(r'"((?:\\.|[^"\\])*)"', t)) for t in m.groups()[2:])
        text += (f"\n## {m.group(1)}\n\n{meaning}. Likely cause: {cause}. What to do: {remedy}. "
                 f"({REACTIONS[m.group(2)]})\n")
    return text


def check_reference():
    """docs/reference is what `make docs` makes: from the schemas and the table of errors, and, where oms is built
    from these sources, from its commands."""
    made = {"errors.md": error_reference()}
    with tempfile.TemporaryDirectory() as d:
        r = sh("protoc", "--plugin=protoc-gen-omsrules=proto/plugin/protoc-gen-omsrules", "--omsrules_opt=docs",
               f"--omsrules_out={d}", "-I.", "-I/usr/include", *tracked("proto/*.proto"),
               env=dict(os.environ, PYTHON=sys.executable))
        if r.returncode != 0:
            yield f"protoc: {r.stdout[-300:]}"
        for name in os.listdir(d):
            with open(os.path.join(d, name), encoding="utf-8") as f:
                made[name] = f.read()
    oms = os.path.join(os.path.dirname(GEN), "bin/oms")
    age = max(os.path.getmtime(os.path.join(ROOT, f)) for f in tracked("cm/cli/*.c", "cm/cli/*.h"))
    if os.path.exists(os.path.join(ROOT, oms)) and os.path.getmtime(os.path.join(ROOT, oms)) > age:
        made["cli.md"] = sh(os.path.join(ROOT, oms), "help", "--markdown").stdout
    for name, text in sorted(made.items()):
        path = os.path.join("docs/reference", name)
        if not os.path.exists(os.path.join(ROOT, path)) or read(path) != text:
            yield f"{path}: is not what it is made from (make docs)"


def main():
    checks = {n[6:]: f for n, f in globals().items() if n.startswith("check_")}
    wanted = sys.argv[1:] or list(checks)
    failed = 0
    for name in wanted:
        findings = list(checks[name]())
        print(f"{'ok' if not findings else 'not ok'} - lint {name}" + (f" ({len(findings)})" if findings else ""))
        for line in findings[:40]:
            print("    " + line)
        if len(findings) > 40:
            print(f"    (+{len(findings) - 40} more)")
        failed += bool(findings)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
