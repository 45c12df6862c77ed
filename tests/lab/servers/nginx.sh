# One nginx with all its servers: guards before the plain dockerd, and web servers that are no Docker API.
# shellcheck shell=bash

nginx_certificates() {
  certificate nginx-verify-on 127.20.0.9 key=rsa:2048
  certificate nginx-verify-optional 127.20.0.10
  certificate nginx-verify-optional-no-ca 127.20.0.11
  certificate nginx-legacy-versions 127.20.0.14 key=rsa:2048
  certificate nginx-basic-auth-tls 127.20.0.55
  certificate nginx-any-client-cert 127.20.0.82
  certificate nginx-checked-client-cert 127.20.0.83
  certificate nginx-public-client-ca 127.20.0.85
}

# nginx_tls NAME ADDRESS DIRECTIVES: a TLS server on 2376
nginx_tls() {
  cat <<CONFIG
  server {
    listen $2:2376 ssl;
    ssl_certificate $CERTS/$1.crt;
    ssl_certificate_key $CERTS/$1.key;
    $3
  }
CONFIG
}

nginx_start() {
  local modern='ssl_protocols TLSv1.2 TLSv1.3;' legacy='ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_ciphers DEFAULT:@SECLEVEL=0;'
  local docker='location / { proxy_pass http://127.20.0.1:2375; }'
  local password="auth_basic docker; auth_basic_user_file $CONF/htpasswd; $docker"
  local ca="ssl_client_certificate $CERTS/root.crt;"
  mkdir -p "$DATA/nginx"
  echo "lab:$(openssl passwd -apr1 "$(openssl rand -hex 8)")" >"$CONF/htpasswd"
  {
    # root: its workers have to read below the state directory, wherever that lies
    cat <<CONFIG
daemon off;
user root;
worker_processes 1;
pid $RUN/nginx.pid;
error_log stderr;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path $DATA/nginx/body;
  proxy_temp_path $DATA/nginx/proxy;
  fastcgi_temp_path $DATA/nginx/fastcgi;
  uwsgi_temp_path $DATA/nginx/uwsgi;
  scgi_temp_path $DATA/nginx/scgi;
  server {
    listen 127.20.0.50:2375;
    root /usr/share/nginx/html;
  }
  server {
    listen 127.20.0.53:2375;
    location = /version { default_type application/json; return 200 '{"Version":"1.2.3"}'; }
  }
  server {
    listen 127.20.0.54:2375;
    $password
  }
CONFIG
    nginx_tls nginx-verify-on 127.20.0.9 "$modern $ca ssl_verify_client on; $docker"
    nginx_tls nginx-verify-optional 127.20.0.10 "$modern $ca ssl_verify_client optional; $docker"
    nginx_tls nginx-verify-optional-no-ca 127.20.0.11 "$modern ssl_verify_client optional_no_ca; $docker"
    nginx_tls nginx-legacy-versions 127.20.0.14 "$legacy $docker"
    nginx_tls nginx-basic-auth-tls 127.20.0.55 "$modern $password"
    # No authority to verify against: what becomes of a certificate is for the configuration to say.
    nginx_tls nginx-any-client-cert 127.20.0.82 \
      "$modern ssl_verify_client optional_no_ca; if (\$ssl_client_verify = NONE) { return 403; } $docker"
    nginx_tls nginx-checked-client-cert 127.20.0.83 \
      "$modern ssl_verify_client optional_no_ca; if (\$ssl_client_verify != SUCCESS) { return 403; } $docker"
    nginx_tls nginx-public-client-ca 127.20.0.85 \
      "$modern ssl_client_certificate /etc/ssl/certs/ca-certificates.crt; ssl_verify_client on; ssl_verify_depth 4; $docker"
    echo "}"
  } >"$CONF/nginx.conf"
  start nginx nginx -c "$CONF/nginx.conf" -p "$DATA/nginx"
  ready_when nginx answers 200 http://127.20.0.50:2375/
  ready_when nginx answers 401 https://127.20.0.55:2376/version
  ready_when nginx answers 403 https://127.20.0.82:2376/version
}
