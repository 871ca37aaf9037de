// The floor of a call: takes whatever requests there are, up to 64 at a time, finds where each wants its reply, and pushes
// a constant there. It decodes nothing, keeps nothing in flight and checks nothing. The replies to one batch and the
// command for the next one are sent together, so that a batch costs one round trip.
//
//   calls SOCKET QUEUE

#define _GNU_SOURCE
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ADDRESS_LENGTH = 36 };

// {ID: 36 bytes, Output: {Data: empty, Error: nil}, Error: nil}
#define REPLY                                                                                                          \
  "\x83\xa2ID\xd9\x24"                                                                                                 \
  "00000000-0000-4000-8000-000000000000"                                                                               \
  "\xa6Output\x82\xa4"                                                                                                 \
  "Data\xc4\x00\xa5"                                                                                                   \
  "Error\xc0\xa5"                                                                                                      \
  "Error\xc0"

static const char key[] = "\xa7ReplyTo\xd9\x24";

static redisContext *redis;

static void fail(const char *what) {
  fprintf(stderr, "calls: %s: %s\n", what, redis && redis->err ? redis->errstr : "unexpected");
  exit(1);
}

static redisReply *next_reply(void) {
  void *reply;
  if (redisGetReply(redis, &reply) != REDIS_OK) fail("reply");
  if (((redisReply *)reply)->type == REDIS_REPLY_ERROR) fail(((redisReply *)reply)->str);
  return reply;
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: calls SOCKET QUEUE\n");
    return 64;
  }
  redis = redisConnectUnix(arguments[1]);
  if (!redis || redis->err) fail(arguments[1]);

  char *take, push[512];
  int take_length = redisFormatCommand(&take, "BLMPOP 0 1 %s LEFT COUNT 64", arguments[2]);
  int address_at = snprintf(push, sizeof push, "*3\r\n$5\r\nRPUSH\r\n$%d\r\n", ADDRESS_LENGTH);
  int push_length = address_at + ADDRESS_LENGTH;
  push_length += snprintf(push + push_length, sizeof push - (size_t)push_length, "\r\n$%zu\r\n", sizeof REPLY - 1);
  memcpy(push + push_length, REPLY "\r\n", sizeof REPLY + 1);
  push_length += (int)sizeof REPLY + 1;

  redisAppendFormattedCommand(redis, take, (size_t)take_length);
  while (1) {
    redisReply *batch = next_reply();
    redisReply *requests = batch->element[1];
    for (size_t i = 0; i < requests->elements; i++) {
      redisReply *request = requests->element[i];
      const char *found = memmem(request->str, (size_t)request->len, key, sizeof key - 1);
      if (!found) fail("no ReplyTo");
      memcpy(push + address_at, found + sizeof key - 1, ADDRESS_LENGTH);
      redisAppendFormattedCommand(redis, push, (size_t)push_length);
    }
    redisAppendFormattedCommand(redis, take, (size_t)take_length);
    for (size_t i = 0; i < requests->elements; i++) freeReplyObject(next_reply());
    freeReplyObject(batch);
  }
}
