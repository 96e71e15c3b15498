/*
 * A disk that remembers what it was told and what it has promised.
 *
 * Preloaded into a process, it passes every change of the files of one folder on to the system, and
 * writes it down in a log outside of that folder: the new bytes, where they go, and where a sync
 * began and ended. disk.ts makes of it what a disk may hold after a power cut.
 *
 *   OUTBOX_POWER_FOLDER   the folder, absolute and without links; its own files only
 *   OUTBOX_POWER_LOG      the log; every process of the folder appends to the same one
 *   OUTBOX_POWER_SWITCH   a file that is looked for before every change; what it orders is below
 *
 * A change is written down before it is made, and again when it is done: a sync promises only what
 * was done before it began. One writev to a file opened with O_APPEND is one record, whoever else
 * writes; it needs no buffer, so that SIGKILL loses nothing of it.
 *
 * An order is one line: `OP SUFFIX SKIP TIMES ERRNO`. OP is `sync` or `write` (it fails with
 * ERRNO), `cut` (SIGKILL before a change or a sync is made) or `cutSync` (the same, before a sync
 * only: what it would confirm is written); SUFFIX is the end of the file's name, or `*`; SKIP such
 * changes pass before, and TIMES fail. Who reads it removes it.
 *
 * What is not understood ends the process: a change that passed unseen would make the test a lie.
 * No file is opened or closed here that the process did not open or close itself: closing any
 * descriptor drops SQLite's locks.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { OPENED = 1, WRITE, DONE, SYNC, SYNCED, TRUNCATE, UNLINK, RENAME, LINK };

/* The layout that log.ts reads; little-endian, as are all machines this runs on. */
struct record {
  uint64_t magic;
  uint32_t kind, pid, op, length;
  uint64_t inode, offset;
  uint32_t error, unused;
};

#define MAGIC 0xd15cf1a65ec70a11u
#define FILES 65536
#define PATH 4096
#define LOG_DESCRIPTOR 900

/* A file of the folder by its descriptor; NULL for every other one. Never freed: they are few. */
struct file {
  uint64_t inode;
  int appends;
  char name[256];
};
static struct file *_Atomic files[FILES];

static char folder[PATH], switch_file[PATH];
static size_t folder_length;
static int log_descriptor = -1;
static _Atomic uint32_t operations;

static struct { char op[8], suffix[64]; int skip, times, error; } order;
static _Atomic int order_lock;

static void give_up(const char *what) {
  static const char prefix[] = "power shim: ";
  syscall(SYS_write, 2, prefix, sizeof prefix - 1);
  syscall(SYS_write, 2, what, strlen(what));
  syscall(SYS_write, 2, "\n", 1);
  abort();
}

__attribute__((constructor)) static void begin(void) {
  const char *where = getenv("OUTBOX_POWER_FOLDER"), *log = getenv("OUTBOX_POWER_LOG");
  const char *orders = getenv("OUTBOX_POWER_SWITCH");
  if (!where || !log) return;
  folder_length = (size_t)snprintf(folder, PATH, "%s", where);
  if (orders) snprintf(switch_file, PATH, "%s", orders);
  int fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) give_up("the log cannot be opened");
  /* Out of the way of descriptors that a program counts on. */
  log_descriptor = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, LOG_DESCRIPTOR);
  if (log_descriptor < 0) give_up("the log has no descriptor");
  syscall(SYS_close, fd);
}

static uint32_t note(struct record one, const void *data, size_t length) {
  int before = errno;
  one.magic = MAGIC;
  one.pid = (uint32_t)getpid();
  one.length = (uint32_t)length;
  if (one.op == 0) one.op = atomic_fetch_add(&operations, 1) + 1;
  struct iovec parts[2] = {{&one, sizeof one}, {(void *)data, length}};
  long written = syscall(SYS_writev, log_descriptor, parts, 2);
  if (written != (long)(sizeof one + length)) give_up("the log takes nothing");
  errno = before;
  return one.op;
}

static void done(uint32_t op, long result) {
  note((struct record){.kind = DONE, .op = op, .error = result < 0 ? (uint32_t)errno : 0}, NULL, 0);
}

static struct file *tracked(int fd) {
  return fd >= 0 && fd < FILES && log_descriptor >= 0 ? atomic_load(&files[fd]) : NULL;
}

/* The name within the folder, "" for the folder itself, or NULL for what is elsewhere. SQLite's
   shared memory is left out: it is never synced, and made anew by who opens the file first. */
static const char *name_of(int at, const char *path) {
  static _Thread_local char whole[PATH];
  if (log_descriptor < 0 || !path) return NULL;
  if (path[0] != '/') {
    if (at != AT_FDCWD || !getcwd(whole, PATH)) return NULL;
    size_t used = strlen(whole);
    snprintf(whole + used, PATH - used, "/%s", path);
    path = whole;
  }
  if (strncmp(path, folder, folder_length) != 0) return NULL;
  if (path[folder_length] == 0) return "";
  if (path[folder_length] != '/') return NULL;
  const char *name = path + folder_length + 1;
  size_t length = strlen(name);
  if (length >= 4 && strcmp(name + length - 4, "-shm") == 0) return NULL;
  if (strchr(name, '/') || length > 255) give_up("a file below the folder is not its own");
  return name;
}

static int ends_with(const char *name, const char *suffix) {
  size_t length = strlen(name), tail = strlen(suffix);
  return tail <= length && strcmp(name + length - tail, suffix) == 0;
}

static void look_for_order(void) {
  if (switch_file[0] == 0 || syscall(SYS_faccessat, AT_FDCWD, switch_file, F_OK) != 0) return;
  int fd = (int)syscall(SYS_openat, AT_FDCWD, switch_file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  char text[128] = {0};
  syscall(SYS_read, fd, text, sizeof text - 1);
  syscall(SYS_close, fd);
  if (syscall(SYS_unlinkat, AT_FDCWD, switch_file, 0) != 0) return;
  if (sscanf(text, "%7s %63s %d %d %d", order.op, order.suffix, &order.skip, &order.times,
             &order.error) != 5) give_up("the order is not understood");
}

/* Whether this change is what an order waits for. */
static int is_ordered(const char *op, const char *name) {
  int result = 0;
  while (atomic_exchange(&order_lock, 1)) {}
  look_for_order();
  int any = strcmp(order.suffix, "*") == 0;
  if (order.times > 0 && strcmp(order.op, op) == 0 && (any || ends_with(name, order.suffix)) &&
      order.skip-- <= 0) {
    order.times -= 1;
    result = 1;
  }
  atomic_store(&order_lock, 0);
  return result;
}

static void maybe_cut_at(const char *op, const char *name) {
  if (is_ordered(op, name)) syscall(SYS_kill, getpid(), SIGKILL);
}
static void maybe_cut(const char *name) { maybe_cut_at("cut", name); }

static int fails(const char *op, const char *name) {
  if (!is_ordered(op, name)) return 0;
  errno = order.error;
  return 1;
}

/* Files ------------------------------------------------------------------------------------- */

static int track(int fd, const char *name, int flags, int created) {
  struct stat facts;
  if (fstat(fd, &facts) != 0 || fd >= FILES) give_up("an opened file cannot be looked at");
  struct file *one = calloc(1, sizeof *one);
  if (!one) give_up("no memory");
  one->inode = facts.st_ino;
  one->appends = (flags & O_APPEND) != 0;
  snprintf(one->name, sizeof one->name, "%s", name);
  note((struct record){.kind = OPENED, .inode = one->inode, .offset = (uint64_t)created}, name,
       strlen(name));
  atomic_store(&files[fd], one);
  if ((flags & O_TRUNC) && !created) {
    uint32_t op = note((struct record){.kind = TRUNCATE, .inode = one->inode}, NULL, 0);
    done(op, 0);
  }
  return fd;
}

static int open_file(int at, const char *path, int flags, mode_t mode) {
  const char *name = name_of(at, path);
  if (name == NULL) return (int)syscall(SYS_openat, at, path, flags, mode);
  for (;;) {
    if (!(flags & O_CREAT)) {
      int fd = (int)syscall(SYS_openat, at, path, flags, mode);
      return fd < 0 ? fd : track(fd, name, flags, 0);
    }
    int fd = (int)syscall(SYS_openat, at, path, flags | O_EXCL, mode);
    if (fd >= 0) return track(fd, name, flags, 1);
    if (errno != EEXIST || (flags & O_EXCL)) return fd;
    fd = (int)syscall(SYS_openat, at, path, flags & ~O_CREAT, mode);
    if (fd >= 0) return track(fd, name, flags, 0);
    if (errno != ENOENT) return fd; /* else it was removed in between */
  }
}

/* The mode is given only with O_CREAT; else it is some other value, and of no consequence. */
#define OPENING(call, declared, at) \
  int call declared { \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = va_arg(rest, mode_t); \
    va_end(rest); \
    return open_file(at, path, flags, mode); \
  }
OPENING(open, (const char *path, int flags, ...), AT_FDCWD)
OPENING(open64, (const char *path, int flags, ...), AT_FDCWD)
OPENING(openat, (int at, const char *path, int flags, ...), at)
OPENING(openat64, (int at, const char *path, int flags, ...), at)

int creat(const char *path, mode_t mode) {
  return open_file(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

int close(int fd) {
  if (fd == log_descriptor && fd >= 0) return 0;
  if (fd >= 0 && fd < FILES) atomic_store(&files[fd], NULL);
  return (int)syscall(SYS_close, fd);
}

/* Changes ----------------------------------------------------------------------------------- */

static ssize_t change(int fd, struct file *one, struct iovec bytes, off_t at, int seeks) {
  if (fails("write", one->name)) return -1;
  off_t place = at;
  if (one->appends) {
    struct stat facts;
    if (fstat(fd, &facts) != 0) give_up("an opened file cannot be looked at");
    place = facts.st_size;
  } else if (seeks) {
    place = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
  }
  struct record facts = {.kind = WRITE, .inode = one->inode, .offset = (uint64_t)place};
  uint32_t op = note(facts, bytes.iov_base, bytes.iov_len);
  maybe_cut(one->name);
  ssize_t written = seeks ? syscall(SYS_write, fd, bytes.iov_base, bytes.iov_len)
                          : syscall(SYS_pwrite64, fd, bytes.iov_base, bytes.iov_len, at);
  if (written >= 0 && (size_t)written != bytes.iov_len) give_up("a write was cut short");
  done(op, written);
  return written;
}

ssize_t write(int fd, const void *data, size_t length) {
  struct file *one = tracked(fd);
  if (!one) return syscall(SYS_write, fd, data, length);
  return change(fd, one, (struct iovec){(void *)data, length}, 0, 1);
}
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) {
  struct file *one = tracked(fd);
  if (!one) return syscall(SYS_pwrite64, fd, data, length, at);
  return change(fd, one, (struct iovec){(void *)data, length}, at, 0);
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) {
  return pwrite64(fd, data, length, at);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (tracked(fd)) give_up("writev");
  return syscall(SYS_writev, fd, parts, count);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
  if (tracked(fd)) give_up("pwritev");
  return syscall(SYS_pwritev, fd, parts, count, (long)at, (long)((uint64_t)at >> 32));
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
  return pwritev64(fd, parts, count, at);
}
int fallocate64(int fd, int mode, off64_t at, off64_t length) {
  if (tracked(fd)) give_up("fallocate");
  return (int)syscall(SYS_fallocate, fd, mode, at, length);
}
int fallocate(int fd, int mode, off_t at, off_t length) {
  return fallocate64(fd, mode, at, length);
}

int ftruncate64(int fd, off64_t size) {
  struct file *one = tracked(fd);
  if (!one) return (int)syscall(SYS_ftruncate, fd, size);
  struct record facts = {.kind = TRUNCATE, .inode = one->inode, .offset = (uint64_t)size};
  uint32_t op = note(facts, NULL, 0);
  maybe_cut(one->name);
  int result = (int)syscall(SYS_ftruncate, fd, size);
  done(op, result);
  return result;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static int sync_file(int fd, long how) {
  struct file *one = tracked(fd);
  if (!one) return (int)syscall(how, fd);
  uint32_t op = note((struct record){.kind = SYNC, .inode = one->inode}, NULL, 0);
  maybe_cut(one->name);
  maybe_cut_at("cutSync", one->name);
  int result = fails("sync", one->name) ? -1 : (int)syscall(how, fd);
  struct record facts = {.kind = SYNCED, .op = op, .inode = one->inode};
  facts.error = result < 0 ? (uint32_t)errno : 0;
  note(facts, NULL, 0);
  return result;
}
int fsync(int fd) { return sync_file(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_file(fd, SYS_fdatasync); }

/* Names ------------------------------------------------------------------------------------- */

static uint64_t inode_at(int at, const char *path) {
  struct stat facts;
  return fstatat(at, path, &facts, AT_SYMLINK_NOFOLLOW) == 0 ? facts.st_ino : 0;
}

int unlinkat(int at, const char *path, int flags) {
  const char *name = name_of(at, path);
  uint64_t inode = name ? inode_at(at, path) : 0;
  if (!inode || *name == 0) return (int)syscall(SYS_unlinkat, at, path, flags);
  struct record facts = {.kind = UNLINK, .inode = inode};
  uint32_t op = note(facts, name, strlen(name));
  maybe_cut(name);
  int result = (int)syscall(SYS_unlinkat, at, path, flags);
  done(op, result);
  return result;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int remove(const char *path) {
  int result = unlinkat(AT_FDCWD, path, 0);
  return result != 0 && errno == EISDIR ? unlinkat(AT_FDCWD, path, AT_REMOVEDIR) : result;
}

static int name_again(enum kind kind, const char *from, const char *to) {
  long call = kind == LINK ? SYS_linkat : SYS_renameat2;
  const char *found = name_of(AT_FDCWD, from);
  char both[600];
  int length = found ? snprintf(both, sizeof both, "%s", found) + 1 : 0;
  const char *next = name_of(AT_FDCWD, to);
  if (!found && !next) return (int)syscall(call, AT_FDCWD, from, AT_FDCWD, to, 0);
  if (!found || !next) give_up("a name moves into the folder, or out of it");
  length += snprintf(both + length, sizeof both - (size_t)length, "%s", next);
  struct record facts = {.kind = kind, .inode = inode_at(AT_FDCWD, from)};
  uint32_t op = note(facts, both, (size_t)length);
  int result = (int)syscall(call, AT_FDCWD, from, AT_FDCWD, to, 0);
  done(op, result);
  return result;
}
int rename(const char *from, const char *to) { return name_again(RENAME, from, to); }
int link(const char *from, const char *to) { return name_again(LINK, from, to); }
