#include "client.h"

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "descriptors") == 0) {
    check_descriptors();
  } else if (strcmp(what, "children") == 0) {
    check_children();
  } else if (strcmp(what, "paths") == 0) {
    check_paths();
  } else if (strcmp(what, "given") == 0 && argc == 4) {
    check_given(atoi(argv[2]), atoi(argv[3]));
  } else if (strcmp(what, "markers") == 0) {
    check_markers();
  } else if (strcmp(what, "threads") == 0) {
    check_threads();
  } else if (strcmp(what, "closing") == 0) {
    check_closing();
  } else if (strcmp(what, "invalidate-nested") == 0) {
    check_invalidate_nested();
  } else if (strcmp(what, "mapped") == 0) {
    check_mapped();
  } else if (strcmp(what, "traps") == 0) {
    check_traps();
  } else if (strcmp(what, "exit") == 0 && argc == 3) {
    return atoi(argv[2]);
  } else {
    fprintf(stderr, "client: what is '%s'?\n", what);
    return 2;
  }
  puts("ok");
  return 0;
}
