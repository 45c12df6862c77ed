# The lab's certificate authority. Made anew at each start, as some dates are relative to now.
# shellcheck shell=bash

stamp() { date -u -d "now $1" +%Y%m%d%H%M%SZ; }

# certificate NAME ADDRESS [OPTION=VALUE]... writes NAME.key, NAME.crt (the leaf) and NAME.pem (both).
# Without options it has no flaw: issued by the root, P-256, SHA-256, valid for 397 days, the address
# as subjectAltName, serverAuth only.
certificate() {
  local name=$1 address=$2 option work=$CERTS/.$1
  local key=ec:P-256 from='-1 hour' until='+397 days -2 hours' by=root digest=sha256
  local san=IP:$address eku=serverAuth ca=FALSE usage=digitalSignature
  for option in "${@:3}"; do
    case ${option%%=*} in
      key | from | until | by | digest | san | eku | ca | usage) local "${option%%=*}=${option#*=}" ;;
      *) die "certificate $name: unknown option $option" ;;
    esac
  done
  mkdir -p "$work"
  : >"$work/index"
  cat >"$work/config" <<CONFIG
[ca]
default_ca = lab
[lab]
database = $work/index
new_certs_dir = $work
rand_serial = yes
policy = any
[any]
commonName = supplied
[leaf]
basicConstraints = critical,CA:$ca
keyUsage = critical,$usage
$([ -z "$eku" ] || echo "extendedKeyUsage = $eku")
$([ -z "$san" ] || echo "subjectAltName = $san")
CONFIG
  local newkey=(-algorithm "${key%%:*}")
  case $key in
    rsa:*) newkey=(-algorithm RSA -pkeyopt "rsa_keygen_bits:${key#*:}") ;;
    ec:*) newkey=(-algorithm EC -pkeyopt "ec_paramgen_curve:${key#*:}") ;;
  esac
  openssl genpkey -quiet "${newkey[@]}" -out "$CERTS/$name.key" 2>/dev/null ||
    openssl genpkey "${newkey[@]}" -out "$CERTS/$name.key"
  openssl req -new -key "$CERTS/$name.key" -subj "/CN=$name" -out "$work/request"
  local signer=(-selfsign -keyfile "$CERTS/$name.key")
  [ "$by" = self ] || signer=(-cert "$CERTS/$by.crt" -keyfile "$CERTS/$by.key")
  # `openssl ca` rather than `openssl x509 -req`: only it can date a certificate into the past.
  openssl ca -batch -notext -config "$work/config" -extensions leaf -md "$digest" "${signer[@]}" \
    -startdate "$(stamp "$from")" -enddate "$(stamp "$until")" -in "$work/request" -out "$CERTS/$name.crt"
  cat "$CERTS/$name.crt" "$CERTS/$name.key" >"$CERTS/$name.pem"
  rm -rf "$work"
}

# authority NAME ISSUER (self or another authority)
authority() {
  certificate "$1" '' key=rsa:2048 until='+1095 days' by="$2" san='' eku='' ca=TRUE usage=keyCertSign,cRLSign
}

certificates() (
  exec 2>"$LOGS/certificates.log"
  authority root self
  authority intermediate root
  # What a client with permission shows.
  certificate client '' san='' eku=clientAuth
  # Each server kind's certificates, side by side: key generation uses every core.
  local kind jobs=()
  for kind in "${SERVER_KINDS[@]}"; do
    if declare -F "${kind}_certificates" >/dev/null; then "${kind}_certificates" & jobs+=($!); fi
  done
  for kind in "${jobs[@]}"; do wait "$kind"; done
)
