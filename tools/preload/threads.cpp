#include <csignal>
#include <pthread.h>

// The linker leads every pthread_create of this library here: the program's signals are for its own threads.
extern "C" int __real_pthread_create(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
extern "C" int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*),
                                     void* argument) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int result = __real_pthread_create(thread, attributes, run, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return result;
}
