#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

// A macro of too many parts for Swift to see.
static const unsigned long COPENSSL_NAME_RFC2253 = XN_FLAG_RFC2253;
