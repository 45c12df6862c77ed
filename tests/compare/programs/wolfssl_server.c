/* wolfSSL 5; versions are 1.1, 1.2, 1.3. */
#include "listener.h"
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

static WOLFSSL_METHOD *up_to(const char *highest)
{
    switch (highest[2]) {
    case '1': return wolfTLSv1_1_server_method();
    case '2': return wolfTLSv1_2_server_method();
    default: return wolfTLSv1_3_server_method();
    }
}

static int number(const char *version)
{
    switch (version[2]) {
    case '1': return WOLFSSL_TLSV1_1;
    case '2': return WOLFSSL_TLSV1_2;
    default: return WOLFSSL_TLSV1_3;
    }
}

static void serve(int connection, const char *certificate, const char *key, const char *lowest, const char *highest)
{
    char request[4096];
    wolfSSL_Init();
    /* The method for any version starts at the highest one; one version alone has a method of its own. */
    int alone = strcmp(lowest, highest) == 0;
    WOLFSSL_CTX *context = wolfSSL_CTX_new(alone ? up_to(highest) : wolfSSLv23_server_method());
    if (!context || (!alone && wolfSSL_CTX_SetMinVersion(context, number(lowest)) != WOLFSSL_SUCCESS)) exit(1);
    if (highest[2] < '3' && !alone) wolfSSL_CTX_set_options(context, WOLFSSL_OP_NO_TLSv1_3);
    if (wolfSSL_CTX_use_certificate_chain_file(context, certificate) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_use_PrivateKey_file(context, key, WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS)
        exit(1);
    WOLFSSL *tls = wolfSSL_new(context);
    if (highest[2] < '3' && !alone) wolfSSL_set_options(tls, WOLFSSL_OP_NO_TLSv1_3);
    wolfSSL_set_fd(tls, connection);
    if (wolfSSL_accept(tls) == WOLFSSL_SUCCESS && wolfSSL_read(tls, request, sizeof request) > 0)
        wolfSSL_write(tls, ANSWER, sizeof ANSWER - 1);
    wolfSSL_shutdown(tls);
}
