#!/bin/sh
# The whole analysis beside what a user would run instead, on one bundle, with ratios: benches/compare.sh [MEGABYTES] [RUNS]
#
# Without further tools the bundle is the project's own (`end_to_end --keep`), and the yardstick is `wc -l`: touching every
# byte once. With PEERS=script, a program that takes BUNDLE --runs N --ours COMMAND and prints a table, and GENERATOR=script,
# one that takes DIRECTORY --logs-mb N --otlp-json-mb N --otlp-pb-mb N, these are used instead.
# ANALYZE names another binary than target/release/analyze; BUNDLE a directory to keep the bundle in.
set -eu
megabytes=${1:-200}
runs=${2:-3}
analyze=${ANALYZE:-target/release/analyze}
bundle=${BUNDLE:-$(mktemp -d)/bundle}
python=${PYTHON:-python3}
[ -x "$analyze" ] || { echo "build it first: cargo build --release" >&2; exit 2; }

if [ ! -d "$bundle" ]; then
    if [ -n "${GENERATOR:-}" ]; then
        # In the proportions of a real bundle: mostly logs.
        "$python" "$GENERATOR" "$bundle" --logs-mb $((megabytes * 5 / 9)) --otlp-json-mb $((megabytes / 3)) --otlp-pb-mb $((megabytes / 9))
    else
        cargo bench --quiet --bench end_to_end -- --mb "$megabytes" --keep "$bundle"
    fi
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
command="$analyze $bundle --json $out/report.json --report $out/report.html -q"

if [ -n "${PEERS:-}" ]; then
    "$python" "$PEERS" "$bundle" --runs "$runs" --ours "$command"
    exit
fi

# Seconds a command takes, the best of several runs: the others tell of the machine.
best() {
    least=
    for _ in $(seq "$runs"); do
        begun=$(date +%s%N)
        sh -c "$1" >/dev/null
        took=$(($(date +%s%N) - begun))
        if [ -z "$least" ] || [ "$took" -lt "$least" ]; then least=$took; fi
    done
    echo "$least"
}
ours=$(best "$command")
touch=$(best "find $bundle -type f -exec cat {} + | wc -l")
size=$(find "$bundle" -type f -exec cat {} + | wc -c)
awk -v ours="$ours" -v touch="$touch" -v size="$size" 'BEGIN {
    printf "bundle   %8.1f MB\n", size / 1e6
    printf "analyze  %8.3f s %8.0f MB/s\n", ours / 1e9, size / ours * 1e3
    printf "wc -l    %8.3f s %8.0f MB/s\n", touch / 1e9, size / touch * 1e3
    printf "analyze / wc -l = %.1f\n", ours / touch
}'
