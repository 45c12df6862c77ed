# TLS verdicts on 100 servers as they should be and 20 of old: docksweep against sslscan, nmap and SSLyze.
# shellcheck shell=bash

MODERN_SERVERS=100
LEGACY_SERVERS=20
TLS_SERVERS=$((MODERN_SERVERS + LEGACY_SERVERS))

tls_docksweep=(docksweep scan "127.30.0.1-127.30.0.$TLS_SERVERS" -p 2376 --rate max -q -o target/bench/tls.json)
SSLSCAN_FULL='sslscan --no-heartbleed --no-groups --no-renegotiation'
SSLSCAN_LEAST="$SSLSCAN_FULL --no-ciphersuites --no-fallback --no-compression"
# sslscan_with COMMAND PARALLEL: COMMAND's words have no spaces in them
sslscan_with() { read -ra tls_sslscan <<<"xargs -a target/bench/tls.targets -n 1 -P $2 $1"; }
tls_nmap=(nmap -n -Pn -T5 -p 2376 --script ssl-enum-ciphers --min-hostgroup 128 -iL target/bench/tls.hosts
  -oX target/bench/tls.nmap.xml)
tls_sslyze=(sslyze --quiet --targets_in target/bench/tls.targets --json_out target/bench/sslyze.json)
tls_sslyze_least=("${tls_sslyze[@]}" --sslv3 --tlsv1 --tlsv1_1 --tlsv1_2 --tlsv1_3 --certinfo)

compare_tls() {
  start_nginx
  printf "127.30.0.%d:2376\n" $(seq "$TLS_SERVERS") >"$WORK/tls.targets"
  printf "127.30.0.%d\n" $(seq "$TLS_SERVERS") >"$WORK/tls.hosts"
  say "TLS: looking for sslscan's best parallelism"
  local parallel round full least
  for parallel in 4 8 16 32 64; do
    sslscan_with "$SSLSCAN_FULL" $parallel
    once "sslscan-full-$parallel" 0 "${tls_sslscan[@]}"
    sslscan_with "$SSLSCAN_LEAST" $parallel
    once "sslscan-least-$parallel" 0 "${tls_sslscan[@]}"
  done
  full=$(fastest sslscan-full-{4,8,16,32,64}) least=$(fastest sslscan-least-{4,8,16,32,64})

  say "TLS: $RUNS alternating runs, $SLOW_RUNS of SSLyze (minutes)"
  local complete=$TLS_SERVERS now
  for round in $(seq "$RUNS"); do
    once tls-docksweep 0 "${tls_docksweep[@]}"
    now=$(python3 benches/lib/complete.py tls target/bench/tls.json)
    if [ "$now" -lt "$complete" ]; then complete=$now; fi
    sslscan_with "$SSLSCAN_FULL" "${full##*-}"
    once tls-sslscan 0 "${tls_sslscan[@]}"
    sslscan_saw_all tls-sslscan
    sslscan_with "$SSLSCAN_LEAST" "${least##*-}"
    once tls-sslscan-least 0 "${tls_sslscan[@]}"
    sslscan_saw_all tls-sslscan-least
    [ "$round" -le "$SLOW_RUNS" ] || continue
    once tls-nmap 0 "${tls_nmap[@]}"
    [ "$(grep -c 'key="TLSv1.2"' target/bench/tls.nmap.xml)" -eq "$TLS_SERVERS" ] || die 'nmap missed a server'
    # 1: the servers do not follow Mozilla's recommendations.
    once tls-sslyze 0,1 "${tls_sslyze[@]}"
    sslyze_saw_all
    once tls-sslyze-least 0 "${tls_sslyze_least[@]}"
    sslyze_saw_all
  done
  stop_nginx
  report_tls "$complete" "${full##*-}" "${least##*-}"
}

start_nginx() {
  local dir=$PWD/$WORK/nginx n deadline=$((SECONDS + 10))
  rm -rf "$dir"
  mkdir -p "$dir"
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/key.pem" -out "$dir/cert.pem" -days 90 \
    -subj /CN=bench -addext subjectAltName=DNS:bench -addext basicConstraints=critical,CA:FALSE 2>"$dir/openssl.log"
  {
    echo "daemon off; worker_processes auto; pid '$dir/pid'; error_log '$dir/error.log';"
    # Workers of a root nginx would otherwise run as another user, who may not reach this directory.
    if [ "$(id -u)" -eq 0 ]; then echo 'user root;'; fi
    echo 'events { worker_connections 4096; }'
    echo 'http {'
    echo '  access_log off;'
    for n in client_body proxy fastcgi uwsgi scgi; do echo "  ${n}_temp_path '$dir/$n';"; done
    echo "  ssl_certificate '$dir/cert.pem'; ssl_certificate_key '$dir/key.pem'; ssl_protocols TLSv1.2 TLSv1.3;"
    echo '  server {'
    for n in $(seq "$MODERN_SERVERS"); do echo "    listen 127.30.0.$n:2376 ssl;"; done
    echo '    location / { return 404; }'
    echo '  }'
    echo "  server {"
    echo "    ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0;"
    for n in $(seq $((MODERN_SERVERS + 1)) "$TLS_SERVERS"); do echo "    listen 127.30.0.$n:2376 ssl;"; done
    echo '    location / { return 404; }'
    echo '  }'
    echo '}'
  } >"$dir/nginx.conf"
  nginx -p "$dir" -c "$dir/nginx.conf" >"$dir/out.log" 2>&1 &
  NGINX=$!
  until (exec 3<>"/dev/tcp/127.30.0.$TLS_SERVERS/2376") 2>/dev/null && [ -s "$dir/pid" ]; do
    if [ $SECONDS -ge $deadline ] || ! kill -0 "$NGINX" 2>/dev/null; then
      tail -n 5 "$dir"/*.log >&2
      die "nginx does not start"
    fi
    sleep 0.1
  done
}

stop_nginx() {
  [ -n "${NGINX:-}" ] || return 0
  kill "$NGINX" 2>/dev/null || true
  wait "$NGINX" 2>/dev/null || true
  NGINX=
}

# sslscan and SSLyze end with success also where they could not connect.
sslscan_saw_all() {
  local count line
  while read -r count line; do
    [ "$(grep -acE "$line" "$WORK/$1.out")" -eq "$count" ] || die "sslscan missed a server: $WORK/$1.out"
  done <<EXPECTED
$MODERN_SERVERS TLSv1\.3 .*enabled
$LEGACY_SERVERS TLSv1\.0 .*enabled
$TLS_SERVERS ^Subject:
EXPECTED
}

sslyze_saw_all() {
  [ "$(python3 benches/lib/complete.py sslyze target/bench/sslyze.json)" -eq "$TLS_SERVERS" ] || die "SSLyze missed a server"
}

report_tls() {
  local complete=$1 full=$2 least=$3 ours
  ours=$(seconds tls-docksweep)
  echo "### TLS verdicts on $TLS_SERVERS servers (one nginx, RSA 2048, on loopback: $MODERN_SERVERS with TLS 1.2 and 1.3, $LEGACY_SERVERS with TLS 1.0 to 1.2 and all suites that OpenSSL has)"
  echo
  table_head
  row docksweep tls-docksweep tls-docksweep
  row "sslscan, $full at a time" tls-sslscan tls-docksweep
  row "sslscan without cipher suites, $least at a time" tls-sslscan-least tls-docksweep
  row 'nmap, ssl-enum-ciphers' tls-nmap tls-docksweep
  row 'SSLyze, default scan' tls-sslyze tls-docksweep
  row 'SSLyze, versions and certificate' tls-sslyze-least tls-docksweep
  sslscan_with "$SSLSCAN_FULL" "$full"
  local full_command=${tls_sslscan[*]}
  sslscan_with "$SSLSCAN_LEAST" "$least"
  commands "${tls_docksweep[*]}" "$full_command" "${tls_sslscan[*]}" "${tls_nmap[*]}" "${tls_sslyze[*]}" "${tls_sslyze_least[*]}"
  echo "A verdict of docksweep is all five versions, the chain, client authentication, the classes of weak cipher suites" \
    "and whether a Docker API answers; it does not list the suites one by one (that is --ciphers), which is most of what" \
    "the others spend their time on. sslscan has no parallelism of its own, so xargs gives it the fastest of 4, 8, 16, 32" \
    "and 64 at a time; its peak is that of one process."
  echo
  bar "$complete == $TLS_SERVERS" "docksweep's verdicts complete and right in every run ($complete of $TLS_SERVERS)"
  bar "$ours <= 0.4 * $(seconds tls-sslscan)" "at most 0.4 of sslscan's time ($(calc "$ours / $(seconds tls-sslscan)" %.3f))"
  bar "$ours <= 0.3 * $(seconds tls-nmap)" "at most 0.3 of nmap's time ($(calc "$ours / $(seconds tls-nmap)" %.3f))"
  bar "$ours <= 0.03 * $(seconds tls-sslyze)" "at most 0.03 of SSLyze's time ($(calc "$ours / $(seconds tls-sslyze)" %.3f))"
  bar "$ours <= 0.03 * $(seconds tls-sslyze-least)" \
    "the same against SSLyze restricted to versions and certificate ($(calc "$ours / $(seconds tls-sslyze-least)" %.3f))"
  echo
}
