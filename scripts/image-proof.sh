#!/usr/bin/env bash
# Builds the image without a Docker daemon and runs it as an orchestrator would: read-only root,
# no capabilities, no new privileges. The bases are local stand-ins with the same layout as the
# real ones, so it proves our Dockerfile and our files, not theirs. About two minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
  echo "skipped: $1"
  exit 0
}
[ "$(id -u)" = 0 ] || skip "needs root for chroot builds"
for tool in buildah skopeo umoci runc mmdebstrap jq; do
  command -v "$tool" >/dev/null || skip "$tool is missing (apt-get install buildah skopeo umoci runc mmdebstrap jq)"
done

work=$(mktemp -d)
storage=(--storage-driver vfs --root "$work/storage" --runroot "$work/run")
container="tollgate-proof-$$"
# A secret that lies about where the image is built.
canary="proof-canary-$$.pem"
secret="canary-$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')"
cleanup() {
  runc --root "$work/runc" delete --force "$container" >/dev/null 2>&1 || true
  rm -rf "$work" "$canary"
}
trap cleanup EXIT

fail() {
  echo "FAILED: $1" >&2
  [ -f "$work/log" ] && tail -20 "$work/log" >&2
  exit 1
}

echo "== stand-in bases"
case "$(uname -m)" in
  x86_64) arch=x64 ;;
  aarch64) arch=arm64 ;;
  *) skip "no Node package for $(uname -m)" ;;
esac
npm install --silent --no-save --prefix "$work/node" "node-linux-$arch@24"
node24="$work/node/node_modules/node-linux-$arch/bin/node"
mmdebstrap --quiet --variant=minbase --include=ca-certificates bookworm "$work/build.tar"
mmdebstrap --quiet --variant=extract \
  --include=libc6,libstdc++6,libgcc-s1,ca-certificates,tzdata,base-files,netbase \
  bookworm "$work/runtime.tar"
mkdir -p "$work/layer/usr/local/bin" "$work/layer/usr/local/lib" "$work/layer/etc/ssl/certs"
cp "$node24" "$work/layer/usr/local/bin/node"
cp -rL "$(npm root -g)/npm" "$work/layer/usr/local/lib/npm"
printf '#!/bin/sh\nexec node /usr/local/lib/npm/bin/npm-cli.js "$@"\n' >"$work/layer/usr/local/bin/npm"
chmod +x "$work/layer/usr/local/bin/npm"
cp /etc/ssl/certs/ca-certificates.crt "$work/layer/etc/ssl/certs/"
mkdir -p "$work/nodejs/nodejs/bin"
cp "$node24" "$work/nodejs/nodejs/bin/node"
cat >"$work/Dockerfile.build" <<'END'
FROM scratch
ADD build.tar /
COPY layer /
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
END
cat >"$work/Dockerfile.runtime" <<'END'
FROM scratch
ADD runtime.tar /
COPY nodejs /
END
bud() { buildah "${storage[@]}" bud --quiet --isolation chroot --format docker --pull-never --network host "$@" >/dev/null; }
bud -t localhost/proof-build -f "$work/Dockerfile.build" "$work"
bud -t localhost/proof-runtime -f "$work/Dockerfile.runtime" "$work"

echo "== docker build ."
echo "$secret" >"$canary"
bud -t localhost/tollgate --build-arg BUILD_IMAGE=localhost/proof-build \
  --build-arg RUNTIME_IMAGE=localhost/proof-runtime .
config=$(buildah "${storage[@]}" inspect --type image localhost/tollgate | jq .Docker.config)
expect() { [ "$(jq -c "$1" <<<"$config")" = "$2" ] || fail "$1 is $(jq -c "$1" <<<"$config"), expected $2"; }
expect .User '"65532:65532"'
expect .StopSignal '"SIGTERM"'
expect .Cmd '["serve"]'
expect '.Entrypoint[-1]' '"/app/dist/cli/main.js"'
expect '.Healthcheck.Test[0]' '"CMD"'

echo "== unpack"
buildah "${storage[@]}" push --quiet localhost/tollgate "oci-archive:$work/image.tar:t" >/dev/null
skopeo copy --quiet "oci-archive:$work/image.tar:t" "oci:$work/image:t" >/dev/null
umoci unpack --image "$work/image:t" "$work/bundle"
rootfs="$work/bundle/rootfs"
[ ! -e "$rootfs/bin/sh" ] || fail "the image has a shell"
[ ! -e "$rootfs/app/node_modules/typescript" ] || fail "the image has development packages"
[ -z "$(find "$rootfs/app" -perm /022 ! -type l -print -quit)" ] || fail "files of the image are writable by others"
[ -z "$(find "$rootfs" -type f -perm /6000 -print -quit)" ] || fail "the image has files that change the user"
for layer in "$work"/image/blobs/sha256/*; do
  if zcat -f "$layer" | grep -aqF "$secret"; then fail "a secret of the folder is in the image"; fi
done
echo "unpacked size: $(du -sm "$rootfs" | cut -f1) MB"

echo "== run"
mkdir "$work/etc"
chmod 755 "$work" "$work/etc"
cat >"$work/etc/gateway.yaml" <<'END'
version: 1
server: {url: "http://localhost:13900"}
admin: {listen: 127.0.0.1:13991}
auth: {mode: none}
apis:
  orders:
    spec: orders.yaml
    credential: none
    tools: [{match: {methods: [GET]}}]
audit: {sinks: [stdout, {file: {dir: /var/lib/tollgate/audit}}]}
END
cp examples/specs/orders.yaml "$work/etc/orders.yaml"
chmod 644 "$work/etc/"*
jq --arg etc "$work/etc" '
  del(.process.rlimits, .linux.cgroupsPath, .linux.seccomp)
  | .linux.resources = {}
  | .linux.namespaces |= map(select(.type != "network" and .type != "cgroup"))
  | .mounts |= map(select(.type != "cgroup"))
  | .mounts += [
      {destination: "/etc/tollgate", type: "bind", source: $etc, options: ["rbind", "ro"]},
      {destination: "/var/lib/tollgate", type: "tmpfs", source: "tmpfs", options: ["mode=0700", "uid=65532", "gid=65532"]}]
  | .root.readonly = true
  | .process.terminal = false
  | .process.noNewPrivileges = true
  | .process.capabilities = {}' "$work/bundle/config.json" >"$work/config.json"
mv "$work/config.json" "$work/bundle/config.json"
runc --root "$work/runc" run --bundle "$work/bundle" "$container" >"$work/log" 2>&1 &
runner=$!
inside() { runc --root "$work/runc" exec "$container" /nodejs/bin/node "$@"; }
ready=no
for _ in $(seq 100); do
  if inside /app/dist/cli/main.js healthcheck --ready >/dev/null 2>&1; then
    ready=yes
    break
  fi
  kill -0 "$runner" 2>/dev/null || fail "the gateway ended"
  sleep 0.1
done
[ "$ready" = yes ] || fail "not ready within 10 s"
inside -e '
  const { readFileSync, writeFileSync } = require("node:fs");
  const status = readFileSync("/proc/1/status", "utf8");
  const field = (name) => new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status)?.[1];
  const facts = [field("Uid"), field("CapEff"), field("NoNewPrivs")].join(" ");
  if (facts !== "65532 0000000000000000 1") throw new Error(`uid, capabilities, privileges: ${facts}`);
  let refused = "";
  try { writeFileSync("/app/x", ""); } catch ({ code }) { refused = code; }
  if (refused !== "EROFS") throw new Error(`writing to /app: ${refused || "worked"}`);
' || fail "the process is not confined"
inside -e 'require("/app/node_modules/lmdb").open({ path: "/var/lib/tollgate/proof" }).close()' ||
  fail "LMDB does not open"
curl -fsS -o "$work/list" -H 'content-type: application/json' \
  -H 'accept: application/json, text/event-stream' \
  -d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' http://localhost:13900/mcp
jq -e '.result.tools | length > 0' "$work/list" >/dev/null || fail "no tools are listed"
runc --root "$work/runc" kill "$container" TERM
code=0
wait "$runner" || code=$?
[ "$code" = 0 ] || fail "exit code $code after SIGTERM"
grep -q '"stopping"' "$work/log" || fail "it did not stop in order"
echo "image proof: passed"
