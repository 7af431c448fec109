# Toolchain of the preset aarch64: bare metal, no operating system, no C library.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_ASM_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
string(CONCAT CMAKE_CXX_FLAGS_INIT
  "-ffreestanding -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-stack-protector "
  "-fno-pic -mno-outline-atomics -mstrict-align")
