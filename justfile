# What developers and CI run. `just` lists the recipes.

default:
    @just --list

# Everything that CI runs.
check:
    .ci/run

# The tests alone.
test *ARGS:
    cargo test --locked {{ARGS}}

# Rewrite snapshots and generated files after reading the difference.
bless:
    BLESS=1 cargo test --locked --test it generated::the_rows
    BLESS=1 INSTA_UPDATE=always cargo test --locked --test it

# Write all fixtures anew.
fixtures:
    python3 fixtures/gen/all.py

# Fuzz one target for some seconds.
fuzz SECONDS="60" *TARGETS="":
    fuzz/run.sh {{SECONDS}} {{TARGETS}}

# Wall time of the parts, and instruction counts of whole runs.
bench:
    cargo bench --bench wall
    benches/instructions.sh

# Two gigabyte files beside cat and openssl: the table of docs/performance.md.
bench-large:
    cargo build --release --locked
    python3 benches/large.py

# Random weights through the search for executables, so many gigabytes of each kind: the table of docs/performance.md.
bench-candidates GIGABYTES="9":
    cargo bench --bench false_candidates -- {{GIGABYTES}}

# Many archives and archives of many members.
bench-archives:
    cargo build --release --locked
    python3 benches/archives.py

# Small files that stand for very much.
bench-hostile:
    cargo build --release --locked
    python3 benches/hostile.py

# Make the table of known names anew from the packages' wheels.
names *ARGS:
    python3 tools/names/build.py {{ARGS}}
