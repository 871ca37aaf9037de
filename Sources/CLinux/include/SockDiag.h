// TCP sockets as sock_diag(7) tells of them, over a netlink socket of the family AF_NETLINK and the protocol
// NETLINK_SOCK_DIAG: <linux/sock_diag.h>, <linux/inet_diag.h>.
#ifndef CLINUX_SOCK_DIAG_H
#define CLINUX_SOCK_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// The arguments of socket(2) for a netlink socket.
extern const int clinux_af_netlink, clinux_netlink_sock_diag;

/// A TCP socket that has, or had, a peer.
struct clinux_tcp_socket {
  /// Which of all sockets since the machine's start it is.
  uint64_t cookie;
  /// The peer's address in network order, of which IPv4 fills the first 4 bytes.
  uint8_t address[16];
  bool is_ipv6;
  uint16_t port;
  /// As <netinet/tcp.h> numbers them; TCP_CLOSE for one that was destroyed.
  uint8_t state;
  /// tcpi_bytes_sent without tcpi_bytes_retrans.
  uint64_t sent;
  /// tcpi_bytes_received, which counts the peer's FIN as a byte.
  uint64_t received;
  /// Of these, how many the program did not read, in a socket that was destroyed too.
  uint32_t unread;
};

/// Joins the groups in which the kernel tells of each TCP socket of the network namespace that is destroyed. From then on
/// messages that the socket has no room for are counted, and do not fail a read.
/// Returns 0, or -1 with `errno` set.
int clinux_sock_diag_subscribe(int descriptor, int buffer_size);

/// Asks for all TCP sockets of one address family that have a peer, are no request sockets and are not in TIME_WAIT.
/// Returns 0, or -1 with `errno` set.
int clinux_sock_diag_dump(int descriptor, int family);

/// How many messages the socket had no room for since it was opened. Returns 0, or -1 with `errno` set.
int clinux_sock_diag_drops(int descriptor, uint32_t *_Nonnull drops);

enum clinux_sock_diag_result {
  /// There is another socket.
  clinux_sock_diag_socket,
  /// No more in these messages.
  clinux_sock_diag_end,
  /// No more in the whole dump.
  clinux_sock_diag_done,
  /// The kernel refused; `errno` says why.
  clinux_sock_diag_error,
};

/// Reads the next socket from what one read of the netlink socket returned. A socket without counters is passed over.
///
/// `offset` is where to go on, at first 0.
enum clinux_sock_diag_result clinux_sock_diag_next(
    const void *_Nonnull messages, size_t length, size_t *_Nonnull offset, struct clinux_tcp_socket *_Nonnull socket);

#endif
