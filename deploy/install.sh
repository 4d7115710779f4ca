#!/bin/sh
# Installs what Pelamis needs and is missing: Debian packages, and the Python packages into .venv beside the sources.
# Called by deploy/quickstart.sh and tests/run.sh. Usage: deploy/install.sh [run|dev]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
what=${1:-run}
say() { printf '  %s\n' "$*"; }

need_packages() {
  command -v etcd >/dev/null || echo etcd-server
  command -v containerd >/dev/null || echo containerd
  command -v runc >/dev/null || echo runc
  [ -x /usr/lib/cni/bridge ] || [ -x /opt/cni/bin/bridge ] || echo containernetworking-plugins
  command -v nft >/dev/null || echo nftables
  [ -e /usr/lib/x86_64-linux-gnu/libnftables.so.1 ] || [ -e /usr/lib/aarch64-linux-gnu/libnftables.so.1 ] || echo libnftables1
  # portmap and the bridge plugin's masquerading call iptables
  command -v iptables >/dev/null || echo iptables
  command -v conntrack >/dev/null || echo conntrack
  command -v ip >/dev/null || echo iproute2
  command -v sysctl >/dev/null || echo procps
  command -v kubectl >/dev/null || echo kubernetes-client
  # images are made of it, so it must not need libraries
  { [ -x /bin/busybox ] && ! ldd /bin/busybox >/dev/null 2>&1; } || echo busybox-static
  command -v curl >/dev/null || echo curl
  [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
  /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
  [ "$what" = run ] || command -v make >/dev/null || echo make
  [ "$what" = run ] || command -v git >/dev/null || echo git
}

packages=$(need_packages | sort -u | tr '\n' ' ')
if [ -n "$packages" ]; then
  [ "$(id -u)" = 0 ] || { echo "missing Debian packages: $packages (run as root to install them)" >&2; exit 1; }
  say "installing Debian packages: $packages"
  # Debian starts etcd and containerd as services on installation; a local cluster starts its own.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' > $policy
    chmod +x $policy
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  { apt-get update -q && apt-get install -qy --no-install-recommends $packages; } >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    echo "apt-get failed; the whole output is in $log" >&2
    exit 1
  }
  rm -f "$log"
fi

python="$root/.venv/bin/python"
stamp="$root/.venv/.installed-$what"
want=$(cat "$root/pyproject.toml" "$root/deploy/constraints.txt" | sha256sum)
if [ ! -x "$python" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$want" ]; then
  say "installing Python packages into .venv"
  [ -x "$python" ] || /usr/bin/python3 -m venv "$root/.venv"
  [ -x "$root/.venv/bin/uv" ] || "$python" -m pip install -q uv
  group=
  [ "$what" = dev ] && group="--group dev"
  # Byte code is compiled now: it halves every start.
  (cd "$root" && .venv/bin/uv pip install -q --python "$python" --compile-bytecode \
    -c deploy/constraints.txt -r pyproject.toml $group)
  printf '%s' "$want" > "$stamp"
  [ "$what" = dev ] && printf '%s' "$want" > "$root/.venv/.installed-run"
fi
env -u PYTHONDONTWRITEBYTECODE "$python" -m compileall -q \
  "$root/api" "$root/apiserver" "$root/cli" "$root/client" "$root/clusterdns" "$root/controllers" "$root/kit" \
  "$root/nodeagent" "$root/pelamis" "$root/proto" "$root/scheduler" "$root/serviceproxy" "$root/store" >/dev/null
# The command, unless another checkout's or an installed one is there and works.
if [ "$(id -u)" = 0 ] && [ -w /usr/local/bin ] && [ ! -x /usr/local/bin/pelamis ]; then
  ln -sfn "$root/deploy/pelamis" /usr/local/bin/pelamis
fi
