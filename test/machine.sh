#!/usr/bin/env bash
# Installs what the tests need of the machine beyond Node.js and npm: Debian packages, where this is Debian and
# root. Quiet and quick when nothing is missing; where it can't help, the tests say what they left out.
set -euo pipefail

# command → Debian package
wanted=(bwrap:bubblewrap chromium:chromium etcd:etcd-server faketime:faketime fish:fish ip:iproute2 go:golang-go nats-server:nats-server nft:nftables prometheus:prometheus python3:python3 runc:runc serf:serf umoci:umoci zsh:zsh)

missing=()
for pair in "${wanted[@]}"; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing+=("${pair##*:}")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null 2>&1; then
  echo "tests leave out what needs: ${missing[*]} (Debian packages; install them as root)" >&2
  exit 0
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# Without a network the tests go on at once.
network=(-o Acquire::Retries=1 -o Acquire::http::Timeout=15 -o Acquire::https::Timeout=15)
if apt-get -qq "${network[@]}" update >"$log" 2>&1 &&
  apt-get -qq "${network[@]}" install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
  echo "installed for the tests: ${missing[*]}" >&2
else
  tail -n 5 "$log" >&2
  echo "tests leave out what needs: ${missing[*]} (apt-get could not install them)" >&2
fi
