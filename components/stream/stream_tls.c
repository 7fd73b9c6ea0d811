/* TLS of the stream. See stream_tls.h. */
#include "components/stream/stream_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/must.h"
#include "common/os/clock.h"
#include "common/os/durable.h"

#define PEM_MAX (64u << 10)
#define PATH_CAP 4096
#define VALID_SECONDS (100L * 365 * 24 * 3600) /* the fingerprint decides, not the date */

struct stream_tls {
    SSL_CTX *ctx;
    char print[STREAM_PRINT_TEXT];
};

static bool tls_err(struct err *e, enum err_code code, const char *what)
{
    char text[256] = "";
    unsigned long n = ERR_get_error();

    if (n)
        ERR_error_string_n(n, text, sizeof text);
    ERR_clear_error();
    return err_set(e, code, "%s%s%s", what, *text ? ": " : "", text);
}

static bool print_of(X509 *cert, char out[STREAM_PRINT_TEXT])
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (!cert || !X509_digest(cert, EVP_sha256(), md, &n) || n != 32)
        return false;
    for (unsigned i = 0; i < n; i++)
        snprintf(out + 2 * (size_t)i, 3, "%02x", md[i]);
    return true;
}

/* --- the Store's key ----------------------------------------------------------------------------
 */

static bool self_sign(X509 *cert, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(cert);

    return X509_set_version(cert, 2) && ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -86400) &&
           X509_gmtime_adj(X509_getm_notAfter(cert), VALID_SECONDS) && X509_set_pubkey(cert, key) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"oms-store",
                                      -1, -1, 0) &&
           X509_set_issuer_name(cert, name) && X509_sign(cert, key, EVP_sha256());
}

static bool make_pem(const char *path, struct err *e)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    BIO *out = BIO_new(BIO_s_mem());
    char *text = NULL;
    long n = 0;
    bool ok = key && cert && out && self_sign(cert, key) &&
              PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) &&
              PEM_write_bio_X509(out, cert) && (n = BIO_get_mem_data(out, &text)) > 0;

    ok = ok ? durable_write_file(path, text, (size_t)n, 0600, e)
            : tls_err(e, ERR_SYSTEM, "cannot make a key for the stream");
    if (text)
        OPENSSL_cleanse(text, (size_t)n);
    BIO_free(out);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ok;
}

static SSL_CTX *new_context(const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new(method);

    must(ctx != NULL);
    must(SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION));
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    return ctx;
}

bool stream_tls_open(const char *dir, struct stream_tls **out, struct err *e)
{
    struct stream_tls *t = must_calloc(1, sizeof *t);
    char path[PATH_CAP];
    struct stat st;

    snprintf(path, sizeof path, "%s/stream.pem", dir);
    t->ctx = new_context(TLS_server_method());
    (void)SSL_CTX_set_num_tickets(t->ctx, 0);
    if (stat(path, &st) != 0 && errno == ENOENT && !make_pem(path, e)) {
        stream_tls_close(t);
        return false;
    }
    if (stat(path, &st) != 0 || (st.st_mode & 077) != 0 ||
        SSL_CTX_use_PrivateKey_file(t->ctx, path, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_certificate_file(t->ctx, path, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(t->ctx) != 1 ||
        !print_of(SSL_CTX_get0_certificate(t->ctx), t->print)) {
        stream_tls_close(t);
        (void)tls_err(e, ERR_DENIED, "not a key that only its owner may read");
        return err_wrap(e, "the stream's key '%s'", path);
    }
    *out = t;
    return true;
}

void stream_tls_close(struct stream_tls *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->ctx);
    free(t);
}

const char *stream_tls_print(const struct stream_tls *t)
{
    return t->print;
}

/* --- handshakes ---------------------------------------------------------------------------------
 */

static bool shake(SSL *ssl, struct stream_io *io, int64_t timeout_ms, struct err *e)
{
    struct mono until = mono_add_ms(clock_mono(), timeout_ms);

    for (;;) {
        ERR_clear_error();
        int n = SSL_do_handshake(ssl);
        int why = n == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl, n);

        if (n == 1)
            return true;
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            return tls_err(e, ERR_UNAVAILABLE, "the TLS handshake of the stream failed");
        if (!stream_io_wait(io, why == SSL_ERROR_WANT_WRITE, until, e))
            return false;
    }
}

bool stream_tls_accept(struct stream_tls *t, struct stream_io *io, int64_t timeout_ms,
                       struct err *e)
{
    SSL *ssl = SSL_new(t->ctx);

    must(ssl && SSL_set_fd(ssl, io->fd));
    io->tls = ssl; /* freed with it */
    SSL_set_accept_state(ssl);
    return shake(ssl, io, timeout_ms, e);
}

bool stream_tls_connect(struct stream_io *io, const char *print, int64_t timeout_ms, struct err *e)
{
    SSL_CTX *ctx = new_context(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    char got[STREAM_PRINT_TEXT] = "";

    must(ssl && SSL_set_fd(ssl, io->fd));
    SSL_CTX_free(ctx); /* the connection keeps it */
    io->tls = ssl;
    SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL); /* judged here, before anything is said */
    SSL_set_connect_state(ssl);
    if (!shake(ssl, io, timeout_ms, e))
        return false;
    if (!print_of(SSL_get0_peer_certificate(ssl), got) || strcmp(got, print) != 0)
        return err_set(e, ERR_DENIED,
                       "the store's certificate has fingerprint %s, not %s as the cluster manager "
                       "told",
                       got, print);
    return true;
}
