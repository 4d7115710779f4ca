#!/bin/sh
# A cluster on this machine in one command: installs what is missing, starts real nodes, runs the example, and shows
# its answer. Safe to run again. Debian or Ubuntu, as root.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
nodes=3
install_only=

usage() {
  cat <<'EOF'
Usage: deploy/quickstart.sh [--nodes N] [--install-only]

  --nodes N        nodes of the cluster, each with its own containerd and address (default 3)
  --install-only   install what is missing and stop

PELAMIS_DIR is the cluster's directory (default ~/.pelamis).
EOF
}

while [ $# -gt 0 ]; do
  case $1 in
    --nodes) nodes=${2:?--nodes needs a number}; shift 2 ;;
    --nodes=*) nodes=${1#*=}; shift ;;
    --install-only) install_only=1; shift ;;
    -h|--help) usage; exit 0 ;;
    *) echo "quickstart: unknown argument $1" >&2; usage >&2; exit 2 ;;
  esac
done
[ "$(id -u)" = 0 ] || { echo "quickstart: containers need root; run: sudo deploy/quickstart.sh" >&2; exit 1; }

echo "1/4 installing what is missing"
"$root/deploy/install.sh" run
[ -z "$install_only" ] || { echo "installed"; exit 0; }

echo "2/4 starting a cluster with $nodes nodes"
"$root/deploy/pelamis" up --nodes "$nodes"
export KUBECONFIG="${PELAMIS_DIR:-$HOME/.pelamis}/kubeconfig"
kubectl get nodes -o wide

echo "3/4 applying deploy/examples/hello.yaml"
kubectl apply -f "$root/deploy/examples/hello.yaml"
kubectl rollout status deployment/hello --timeout=120s

echo "4/4 asking the Service"
address=$(kubectl get service hello -o jsonpath='{.spec.clusterIP}')
tries=0
until answer=$(curl -fsS --max-time 2 "http://$address/cgi-bin/index.cgi" 2>/dev/null); do
  tries=$((tries + 1))
  [ $tries -lt 100 ] || { echo "quickstart: no answer from http://$address; see kubectl get pods,endpointslices" >&2; exit 1; }
  sleep 0.2
done
cat <<EOF
$answer

The cluster is up. Try next:
  export KUBECONFIG=$KUBECONFIG
  kubectl get pods -o wide
  kubectl scale deployment/hello --replicas=6
  kubectl exec -it deploy/hello -- sh
  pelamis stop --node node-2      # pull a node's plug and watch: kubectl get nodes,pods -o wide -w
  pelamis down                    # remove the cluster
EOF
