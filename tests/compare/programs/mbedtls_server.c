/* Mbed TLS 2.28; versions are 1.0, 1.1, 1.2. */
#include "listener.h"
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

static void serve(int connection, const char *certificate, const char *key, const char *lowest, const char *highest)
{
    mbedtls_ssl_context tls;
    mbedtls_ssl_config config;
    mbedtls_x509_crt chain;
    mbedtls_pk_context private;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_net_context net = {.fd = connection};
    unsigned char request[4096];
    mbedtls_ssl_init(&tls);
    mbedtls_ssl_config_init(&config);
    mbedtls_x509_crt_init(&chain);
    mbedtls_pk_init(&private);
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random);
    if (mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0) ||
        mbedtls_x509_crt_parse_file(&chain, certificate) || mbedtls_pk_parse_keyfile(&private, key, NULL) ||
        mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT))
        exit(1);
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
    mbedtls_ssl_conf_min_version(&config, 3, lowest[2] - '0' + 1);
    mbedtls_ssl_conf_max_version(&config, 3, highest[2] - '0' + 1);
    if (mbedtls_ssl_conf_own_cert(&config, &chain, &private) || mbedtls_ssl_setup(&tls, &config)) exit(1);
    mbedtls_ssl_set_bio(&tls, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
    if (mbedtls_ssl_handshake(&tls) == 0 && mbedtls_ssl_read(&tls, request, sizeof request) > 0)
        mbedtls_ssl_write(&tls, (const unsigned char *)ANSWER, sizeof ANSWER - 1);
    mbedtls_ssl_close_notify(&tls);
}
