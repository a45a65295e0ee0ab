# arm64 on another Debian machine: its cross compiler, its multiarch libraries, and qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig)
# Not with -L /usr/aarch64-linux-gnu: the loader there is that of libc6-arm64-cross, and with it a program
# hangs where it starts a thread, or where a child that it forked gets a signal.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64)
