#include "CResolver.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <stdio.h>

int cresolver_record(
    const unsigned char *message, int length, int section, int index, char *owner, char *value) {
  ns_msg parsed;
  ns_rr record;
  if (ns_initparse(message, length, &parsed) != 0) return -1;
  if (index >= ns_msg_count(parsed, (ns_sect)section)) return 0;
  if (ns_parserr(&parsed, (ns_sect)section, index, &record) != 0) return -1;
  snprintf(owner, CRESOLVER_NAME, "%s", ns_rr_name(record));
  value[0] = '\0';
  const unsigned char *data = ns_rr_rdata(record);
  switch (ns_rr_type(record)) {
    case ns_t_a:
      if (ns_rr_rdlen(record) != 4 || !inet_ntop(AF_INET, data, value, CRESOLVER_NAME)) return -1;
      break;
    case ns_t_aaaa:
      if (ns_rr_rdlen(record) != 16 || !inet_ntop(AF_INET6, data, value, CRESOLVER_NAME)) return -1;
      break;
    case ns_t_cname:
    case ns_t_ns:
      if (ns_name_uncompress(message, message + length, data, value, CRESOLVER_NAME) < 0) return -1;
      break;
    case ns_t_soa: {
      // Behind the two names, the first of five numbers.
      if (ns_rr_rdlen(record) < 22) return -1;
      snprintf(value, CRESOLVER_NAME, "%lu", ns_get32(data + ns_rr_rdlen(record) - 20));
      break;
    }
    case 43: {  // DS
      if (ns_rr_rdlen(record) < 4 || ns_rr_rdlen(record) > 4 + 64) return -1;
      int end = snprintf(value, CRESOLVER_NAME, "%u %u %u ", ns_get16(data), data[2], data[3]);
      for (int index = 4; index < ns_rr_rdlen(record); index++, end += 2) sprintf(value + end, "%02X", data[index]);
      break;
    }
    default: break;
  }
  return ns_rr_type(record);
}
