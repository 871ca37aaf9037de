// The floor of a start: reads every file of a directory and runs libyaml's parser over it, and looks at none of the events.
//
//   yaml DIRECTORY
//
// Prints the number of files.

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <yaml.h>

static void fail(const char *what) {
  perror(what);
  exit(1);
}

int main(int count, char **arguments) {
  if (count != 2) {
    fprintf(stderr, "usage: yaml DIRECTORY\n");
    return 64;
  }
  DIR *directory = opendir(arguments[1]);
  if (!directory || chdir(arguments[1])) fail(arguments[1]);
  int files = 0;
  for (struct dirent *entry; (entry = readdir(directory));) {
    if (entry->d_name[0] == '.') continue;
    unsigned char content[65536];
    int file = open(entry->d_name, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, content, sizeof content);
    if (length < 0) fail(entry->d_name);
    close(file);

    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) fail("yaml_parser_initialize");
    yaml_parser_set_input_string(&parser, content, (size_t)length);
    for (int is_over = 0; !is_over;) {
      yaml_event_t event;
      if (!yaml_parser_parse(&parser, &event)) {
        fprintf(stderr, "%s: %s\n", entry->d_name, parser.problem);
        return 1;
      }
      is_over = event.type == YAML_STREAM_END_EVENT;
      yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    files++;
  }
  printf("%d\n", files);
  return 0;
}
