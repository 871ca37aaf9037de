#include "SockDiag.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>

const int clinux_af_netlink = AF_NETLINK, clinux_netlink_sock_diag = NETLINK_SOCK_DIAG;

// The numbers of <netinet/tcp.h>, which cannot be included beside <linux/tcp.h>.
enum { established = 1, syn_sent = 2, fin_wait1 = 4, fin_wait2 = 5, close_wait = 8, last_ack = 9, closing = 11 };

static unsigned group(unsigned number) { return 1u << (number - 1); }

int clinux_sock_diag_subscribe(int descriptor, int buffer_size) {
  // Beyond net.core.rmem_max with CAP_NET_ADMIN alone.
  if (setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_size, sizeof buffer_size) != 0
      && setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &buffer_size, sizeof buffer_size) != 0) {
    return -1;
  }
  int yes = 1;
  if (setsockopt(descriptor, SOL_NETLINK, NETLINK_NO_ENOBUFS, &yes, sizeof yes) != 0) return -1;
  struct sockaddr_nl address = {
    .nl_family = AF_NETLINK,
    .nl_groups = group(SKNLGRP_INET_TCP_DESTROY) | group(SKNLGRP_INET6_TCP_DESTROY),
  };
  return bind(descriptor, (struct sockaddr *)&address, sizeof address);
}

int clinux_sock_diag_dump(int descriptor, int family) {
  struct {
    struct nlmsghdr header;
    struct inet_diag_req_v2 request;
  } message = {
    .header = {
      .nlmsg_len = sizeof message,
      .nlmsg_type = SOCK_DIAG_BY_FAMILY,
      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
    },
    .request = {
      .sdiag_family = (uint8_t)family,
      .sdiag_protocol = IPPROTO_TCP,
      .idiag_ext = 1 << (INET_DIAG_INFO - 1),
      .idiag_states = 1 << established | 1 << syn_sent | 1 << fin_wait1 | 1 << fin_wait2 | 1 << close_wait
          | 1 << last_ack | 1 << closing,
    },
  };
  return send(descriptor, &message, sizeof message, 0) < 0 ? -1 : 0;
}

int clinux_sock_diag_drops(int descriptor, uint32_t *drops) {
  uint32_t memory[SK_MEMINFO_VARS] = {0};
  socklen_t length = sizeof memory;
  if (getsockopt(descriptor, SOL_SOCKET, SO_MEMINFO, memory, &length) != 0) return -1;
  *drops = memory[SK_MEMINFO_DROPS];
  return 0;
}

static bool read_socket(const struct nlmsghdr *header, struct clinux_tcp_socket *socket) {
  if (header->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg))) return false;
  const struct inet_diag_msg *message = NLMSG_DATA(header);
  if (message->idiag_family != AF_INET && message->idiag_family != AF_INET6) return false;

  memset(socket, 0, sizeof *socket);
  socket->cookie = (uint64_t)message->id.idiag_cookie[1] << 32 | message->id.idiag_cookie[0];
  socket->is_ipv6 = message->idiag_family == AF_INET6;
  memcpy(socket->address, message->id.idiag_dst, socket->is_ipv6 ? 16 : 4);
  socket->port = ntohs(message->id.idiag_dport);
  socket->state = message->idiag_state;
  socket->unread = message->idiag_rqueue;

  unsigned left = header->nlmsg_len - NLMSG_LENGTH(sizeof *message);
  const struct rtattr *attribute = (const struct rtattr *)(message + 1);
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type != INET_DIAG_INFO) continue;
    struct tcp_info info;
    // Since Linux 4.19; what follows is younger and not needed.
    const size_t needed = offsetof(struct tcp_info, tcpi_bytes_retrans) + sizeof info.tcpi_bytes_retrans;
    if (RTA_PAYLOAD(attribute) < needed) return false;
    memcpy(&info, RTA_DATA(attribute), needed);
    const uint64_t again = info.tcpi_bytes_retrans;
    socket->sent = info.tcpi_bytes_sent > again ? info.tcpi_bytes_sent - again : 0;
    socket->received = info.tcpi_bytes_received;
    return true;
  }
  return false;
}

enum clinux_sock_diag_result clinux_sock_diag_next(
    const void *messages, size_t length, size_t *offset, struct clinux_tcp_socket *socket) {
  while (length - *offset >= sizeof(struct nlmsghdr)) {
    const struct nlmsghdr *header = (const struct nlmsghdr *)((const char *)messages + *offset);
    if (header->nlmsg_len < sizeof *header || header->nlmsg_len > length - *offset) break;
    const size_t step = NLMSG_ALIGN(header->nlmsg_len);
    *offset = step < length - *offset ? *offset + step : length;
    switch (header->nlmsg_type) {
    case NLMSG_DONE:
      return clinux_sock_diag_done;
    case NLMSG_ERROR:
      errno = EPROTO;
      if (header->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr))) {
        errno = -((const struct nlmsgerr *)NLMSG_DATA(header))->error;
      }
      return clinux_sock_diag_error;
    case SOCK_DIAG_BY_FAMILY:
      if (read_socket(header, socket)) return clinux_sock_diag_socket;
    }
  }
  return clinux_sock_diag_end;
}
