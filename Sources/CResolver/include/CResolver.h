// The C library's reader of DNS messages, which sees all of their sections; c-ares shows the answers alone.
#ifndef CRESOLVER_H
#define CRESOLVER_H

/// The room for a name in a DNS message as text, with the NUL at its end.
enum { CRESOLVER_NAME = 1025 };

/// A record of a DNS message (RFC 1035, section 4.1), the one with the number `index` in a section: 1 is the answer, 2 the
/// authority, 3 the rest. `owner` and `value` have room for CRESOLVER_NAME bytes each; `value` is the address or the name that an
/// A, AAAA, CNAME or NS record holds, the serial of an SOA record, the text of a DS record (RFC 4034, 5.3), and empty for others.
/// Returns the record's type, 0 where the section ends, or -1 when the message is malformed.
int cresolver_record(
    const unsigned char *_Nonnull message, int length, int section, int index, char *_Nonnull owner,
    char *_Nonnull value);

#endif
