/* LD_PRELOAD library: this process lives on a machine whose crystal is off, and whose calendar may be.
 *
 * SKEWCLOCK names a file of three native 8-byte values, shared by all processes of that machine:
 *
 *   int64  base_ns           true CLOCK_MONOTONIC at which the clocks began to drift
 *   double ppm               how much faster than true they run
 *   int64  wall_offset_ns    added to the calendar (CLOCK_REALTIME); may change at any time: the clock jumps
 *
 * What is read from a clock is bent, and deadlines on a bent clock are bent back before the kernel or libc
 * waits for them; kernel receive stamps (SO_TIMESTAMPNS) are bent as they come in. Durations (sleep, poll) are
 * left alone: they are off by ppm only. CPU clocks are true.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL
#define FAR_NS (INT64_C(1) << 61) /* "for ever": left as it is */

typedef struct {
    int64_t base_ns;
    double ppm;
    volatile int64_t wall_offset_ns;
} skew_t;

static const skew_t true_clock;
static const skew_t *skew = &true_clock;

static void *real(const char *name)
{
    /* glibc keeps an older pthread_cond_timedwait under the same name. */
    void *found = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
    return found ? found : dlsym(RTLD_NEXT, name);
}

#define REAL(function) \
    static __typeof__(&function) real_##function; \
    if (!real_##function) \
        real_##function = (__typeof__(&function))real(#function)

__attribute__((constructor)) static void open_skew(void)
{
    const char *path = getenv("SKEWCLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *shared = file < 0 ? MAP_FAILED : mmap(NULL, sizeof(skew_t), PROT_READ, MAP_SHARED, file, 0);
    if (file >= 0)
        close(file);
    if (shared == MAP_FAILED) {
        fprintf(stderr, "skewclock: cannot map the file that SKEWCLOCK names: %s\n", path ? path : "it names none");
        _exit(127);
    }
    skew = shared;
}

static int64_t to_ns(const struct timespec *time)
{
    if (time->tv_sec > FAR_NS / NS_PER_S)
        return FAR_NS;
    return time->tv_sec * NS_PER_S + time->tv_nsec;
}

static struct timespec from_ns(int64_t ns)
{
    struct timespec time = {ns / NS_PER_S, ns % NS_PER_S};
    return time;
}

static int is_bent(clockid_t clock)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_TAI:
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME:
        return 1;
    default:
        return 0;
    }
}

static int is_calendar(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

static int64_t true_ns(clockid_t clock)
{
    struct timespec now;
    REAL(clock_gettime);
    real_clock_gettime(clock, &now);
    return to_ns(&now);
}

/* What has to be added to a true reading taken now. */
static int64_t shift_ns(clockid_t clock)
{
    int64_t drifted = (int64_t)((true_ns(CLOCK_MONOTONIC) - skew->base_ns) * (skew->ppm * 1e-6));
    return drifted + (is_calendar(clock) ? skew->wall_offset_ns : 0);
}

/* The true time at which the bent clock will show the deadline. */
static struct timespec bent_back(clockid_t clock, const struct timespec *deadline)
{
    int64_t wanted = to_ns(deadline), now = true_ns(clock), left;
    if (!is_bent(clock) || wanted >= FAR_NS)
        return *deadline;
    left = wanted - (now + shift_ns(clock));
    now += (int64_t)(left / (1 + skew->ppm * 1e-6));
    return from_ns(now > 0 ? now : 1); /* 0 would disarm a timer */
}

/* Some calls do not say which clock a deadline is on: calendar and uptime are decades apart. */
static clockid_t clock_of(const struct timespec *deadline)
{
    int64_t wanted = to_ns(deadline);
    int64_t to_calendar = llabs(wanted - true_ns(CLOCK_REALTIME) - shift_ns(CLOCK_REALTIME));
    int64_t to_uptime = llabs(wanted - true_ns(CLOCK_MONOTONIC) - shift_ns(CLOCK_MONOTONIC));
    return to_calendar < to_uptime ? CLOCK_REALTIME : CLOCK_MONOTONIC;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int result;
    REAL(clock_gettime);
    result = real_clock_gettime(clock, time);
    if (!result && is_bent(clock))
        *time = from_ns(to_ns(time) + shift_ns(clock));
    return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *where)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where)
        *where = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *time, int base)
{
    if (base != TIME_UTC)
        return 0;
    clock_gettime(CLOCK_REALTIME, time);
    return base;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left)
{
    struct timespec deadline = flags & TIMER_ABSTIME ? bent_back(clock, wanted) : *wanted;
    REAL(clock_nanosleep);
    return real_clock_nanosleep(clock, flags, &deadline, left);
}

int timerfd_settime(int timer, int flags, const struct itimerspec *wanted, struct itimerspec *old)
{
    struct itimerspec when = *wanted;
    REAL(timerfd_settime);
    if (flags & TFD_TIMER_ABSTIME && (when.it_value.tv_sec || when.it_value.tv_nsec))
        when.it_value = bent_back(clock_of(&when.it_value), &when.it_value);
    return real_timerfd_settime(timer, flags, &when, old);
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict wanted)
{
    struct timespec deadline = bent_back(clock_of(wanted), wanted);
    REAL(pthread_cond_timedwait);
    return real_pthread_cond_timedwait(condition, mutex, &deadline);
}

int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                           const struct timespec *wanted)
{
    struct timespec deadline = bent_back(clock, wanted);
    REAL(pthread_cond_clockwait);
    return real_pthread_cond_clockwait(condition, mutex, clock, &deadline);
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict wanted)
{
    struct timespec deadline = bent_back(CLOCK_REALTIME, wanted);
    REAL(pthread_mutex_timedlock);
    return real_pthread_mutex_timedlock(mutex, &deadline);
}

int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *wanted)
{
    struct timespec deadline = bent_back(clock, wanted);
    REAL(pthread_mutex_clocklock);
    return real_pthread_mutex_clocklock(mutex, clock, &deadline);
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict wanted)
{
    struct timespec deadline = bent_back(CLOCK_REALTIME, wanted);
    REAL(sem_timedwait);
    return real_sem_timedwait(semaphore, &deadline);
}

int sem_clockwait(sem_t *restrict semaphore, clockid_t clock, const struct timespec *restrict wanted)
{
    struct timespec deadline = bent_back(clock, wanted);
    REAL(sem_clockwait);
    return real_sem_clockwait(semaphore, clock, &deadline);
}

static void bend_stamps(struct msghdr *message)
{
    struct cmsghdr *part;
    for (part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part))
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
            stamp = from_ns(to_ns(&stamp) + shift_ns(CLOCK_REALTIME));
            memcpy(CMSG_DATA(part), &stamp, sizeof stamp);
        }
}

ssize_t recvmsg(int socket, struct msghdr *message, int flags)
{
    ssize_t result;
    REAL(recvmsg);
    result = real_recvmsg(socket, message, flags);
    if (result >= 0)
        bend_stamps(message);
    return result;
}

int recvmmsg(int socket, struct mmsghdr *messages, unsigned int count, int flags, struct timespec *timeout)
{
    int result, i;
    REAL(recvmmsg);
    result = real_recvmmsg(socket, messages, count, flags, timeout);
    for (i = 0; i < result; i++)
        bend_stamps(&messages[i].msg_hdr);
    return result;
}
