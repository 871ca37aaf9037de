// c-ares as Debian 12 has it (1.18) and as it is now (1.34), in one form: from 1.21 on its status codes are an enumeration,
// from 1.28 on the calls that 1.18 has are deprecated in favour of others, which it lacks, and from 1.31 on a channel
// remembers answers unless it is told not to. `scripts/check-c-ares` holds the sources against the newest.
#ifndef CARES_SHIM_H
#define CARES_SHIM_H

#define CARES_NO_DEPRECATED
#include <ares.h>

/// The status codes, as calls return them and callbacks are given them.
static const int CARES_SUCCESS = ARES_SUCCESS;
static const int CARES_ENODATA = ARES_ENODATA;
static const int CARES_EFORMERR = ARES_EFORMERR;
static const int CARES_ESERVFAIL = ARES_ESERVFAIL;
static const int CARES_ENOTFOUND = ARES_ENOTFOUND;
static const int CARES_ENOTIMP = ARES_ENOTIMP;
static const int CARES_EREFUSED = ARES_EREFUSED;
static const int CARES_ECONNREFUSED = ARES_ECONNREFUSED;
static const int CARES_ETIMEOUT = ARES_ETIMEOUT;
static const int CARES_EFILE = ARES_EFILE;
static const int CARES_ENOMEM = ARES_ENOMEM;
static const int CARES_EDESTRUCTION = ARES_EDESTRUCTION;
static const int CARES_ECANCELLED = ARES_ECANCELLED;

/// Has a channel remember no answer. Returns what else of the options is given, for `ares_init_options`.
static inline int cares_remember_nothing(struct ares_options *_Nonnull options) {
#ifdef ARES_OPT_QUERY_CACHE
  options->qcache_max_ttl = 0;
  return ARES_OPT_QUERY_CACHE;
#else
  (void)options;
  return 0;
#endif
}

#endif
