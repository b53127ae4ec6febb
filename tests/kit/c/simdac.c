/* ALSA playback device "simdac": a sound card that exists only in time.
 *
 * Frame k of a run leaves the converter at start_ns + k / (rate * (1 + ppm / 1e6)) on the machine's true
 * CLOCK_MONOTONIC. Every frame is written to FOLDER/PID-N.raw, and the runs to FOLDER/PID-N.jsonl:
 *
 *   {"format": "S16_LE", "channels": 2, "rate_hz": 48000, "ppm": 100.0}      once
 *   {"start_ns": ..., "first_frame": ...}                                     the converter starts
 *   {"end_ns": ..., "played_frames": ..., "underrun": false}                  it stops or runs dry
 *
 * As with a sound card the player wakes at period ends, and an underrun stops the converter. Clocks are read
 * by system call, so that a preloaded library that bends a player's clocks does not bend the converter's.
 *
 * asound.conf:  pcm.NAME { type simdac folder "/tmp/a" ppm 100 }
 */
#define _GNU_SOURCE
#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL

typedef struct {
    snd_pcm_ioplug_t io;
    char *folder;
    double ppm;
    int timer;              /* readable when the player may write */
    int data, story;        /* the files; -1 until the first frame comes */
    int files;
    int running;
    int64_t start_ns;
    uint64_t stopped_at;    /* frames that had left when the converter stopped */
    uint64_t written;       /* frames since prepare */
    uint64_t file_frames;   /* in the data file */
    uint64_t avail_min;
    uint64_t boundary;
} dac_t;

static int64_t now_ns(void)
{
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static double frames_per_ns(const dac_t *dac)
{
    return dac->io.rate * (1 + dac->ppm * 1e-6) / NS_PER_S;
}

/* When that many frames of this run have left. */
static int64_t time_of(const dac_t *dac, uint64_t frames)
{
    return dac->start_ns + (int64_t)ceil(frames / frames_per_ns(dac));
}

static uint64_t played(const dac_t *dac)
{
    return dac->running ? (uint64_t)((now_ns() - dac->start_ns) * frames_per_ns(dac)) : dac->stopped_at;
}

static int is_dry(const dac_t *dac, uint64_t position)
{
    return dac->running && position > dac->written && dac->io.state != SND_PCM_STATE_DRAINING;
}

static void set_timer(const dac_t *dac, int64_t at_ns)
{
    struct itimerspec when = {{0, 0}, {at_ns / NS_PER_S, at_ns % NS_PER_S}};
    syscall(SYS_timerfd_settime, dac->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* The descriptor is readable exactly while at least avail_min frames fit, or something is wrong. */
static void arm(const dac_t *dac)
{
    const int64_t at_once = 1, never = 0;
    uint64_t wanted = dac->written + dac->avail_min; /* that many have left: avail_min frames fit */
    uint64_t position = played(dac);
    if (dac->io.state == SND_PCM_STATE_DRAINING)
        set_timer(dac, time_of(dac, dac->written));
    else if (wanted <= position + dac->io.buffer_size || is_dry(dac, position))
        set_timer(dac, at_once);
    else if (!dac->running)
        set_timer(dac, never);
    else {
        uint64_t period = dac->io.period_size;
        uint64_t interrupt = (wanted - dac->io.buffer_size + period - 1) / period * period;
        set_timer(dac, time_of(dac, interrupt <= dac->written ? interrupt : dac->written + 1));
    }
}

static int open_in_folder(const dac_t *dac, const char *ending)
{
    char *path;
    int file;
    if (asprintf(&path, "%s/%d-%d.%s", dac->folder, getpid(), dac->files, ending) < 0)
        return -1;
    file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
    free(path);
    return file;
}

static int open_files(dac_t *dac)
{
    do {
        dac->files++;
        dac->data = open_in_folder(dac, "raw");
    } while (dac->data < 0 && errno == EEXIST);
    dac->story = open_in_folder(dac, "jsonl");
    dac->file_frames = 0;
    if (dac->data < 0 || dac->story < 0)
        return -errno;
    dprintf(dac->story, "{\"format\": \"%s\", \"channels\": %u, \"rate_hz\": %u, \"ppm\": %.6f}\n",
            snd_pcm_format_name(dac->io.format), dac->io.channels, dac->io.rate, dac->ppm);
    return 0;
}

static void close_files(dac_t *dac)
{
    if (dac->data >= 0)
        close(dac->data);
    if (dac->story >= 0)
        close(dac->story);
    dac->data = dac->story = -1;
}

static void end_run(dac_t *dac)
{
    uint64_t position = played(dac);
    int underrun = is_dry(dac, position);
    int64_t end_ns = now_ns();
    if (!dac->running)
        return;
    if (position >= dac->written) {
        position = dac->written;
        end_ns = time_of(dac, position);
    }
    dac->running = 0;
    dac->stopped_at = position;
    if (dac->story >= 0)
        dprintf(dac->story, "{\"end_ns\": %lld, \"played_frames\": %llu, \"underrun\": %s}\n", (long long)end_ns,
                (unsigned long long)position, underrun ? "true" : "false");
}

static int dac_start(snd_pcm_ioplug_t *io)
{
    dac_t *dac = io->private_data;
    if (dac->running)
        return 0;
    dac->start_ns = now_ns();
    dac->running = 1;
    if (dac->story >= 0)
        dprintf(dac->story, "{\"start_ns\": %lld, \"first_frame\": %llu}\n", (long long)dac->start_ns,
                (unsigned long long)(dac->file_frames - dac->written));
    arm(dac);
    return 0;
}

static int dac_stop(snd_pcm_ioplug_t *io)
{
    end_run(io->private_data);
    return 0;
}

static int dac_prepare(snd_pcm_ioplug_t *io)
{
    dac_t *dac = io->private_data;
    end_run(dac);
    dac->written = dac->stopped_at = 0;
    arm(dac);
    return 0;
}

static snd_pcm_sframes_t dac_pointer(snd_pcm_ioplug_t *io)
{
    dac_t *dac = io->private_data;
    uint64_t position = played(dac);
    if (is_dry(dac, position)) {
        end_run(dac);
        return -EPIPE;
    }
    if (position > dac->written)
        position = dac->written;
    return position % dac->boundary;
}

static int dac_delay(snd_pcm_ioplug_t *io, snd_pcm_sframes_t *delay)
{
    dac_t *dac = io->private_data;
    uint64_t position = played(dac);
    *delay = position < dac->written ? dac->written - position : 0;
    return 0;
}

static snd_pcm_sframes_t dac_transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
                                      snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
    dac_t *dac = io->private_data;
    size_t frame_bytes = snd_pcm_format_physical_width(io->format) / 8 * io->channels;
    const char *frames = (const char *)areas->addr + (areas->first + offset * areas->step) / 8;
    size_t left = size * frame_bytes;
    if (dac->data < 0 && open_files(dac) < 0)
        return -errno;
    while (left) {
        ssize_t done = write(dac->data, frames, left);
        if (done < 0 && errno != EINTR)
            return -errno;
        if (done > 0) {
            frames += done;
            left -= done;
        }
    }
    dac->written += size;
    dac->file_frames += size;
    arm(dac);
    return size;
}

static int dac_drain(snd_pcm_ioplug_t *io)
{
    dac_t *dac = io->private_data;
    int64_t end_ns;
    struct timespec end;
    dac_start(io);
    end_ns = time_of(dac, dac->written);
    if (io->nonblock && now_ns() < end_ns) {
        arm(dac);
        return -EAGAIN;
    }
    end.tv_sec = end_ns / NS_PER_S;
    end.tv_nsec = end_ns % NS_PER_S;
    while (syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) && errno == EINTR) {
    }
    return 0;
}

static int dac_hw_params(snd_pcm_ioplug_t *io, snd_pcm_hw_params_t *params)
{
    (void)params;
    close_files(io->private_data); /* what comes next may have another format */
    return 0;
}

static int dac_sw_params(snd_pcm_ioplug_t *io, snd_pcm_sw_params_t *params)
{
    dac_t *dac = io->private_data;
    snd_pcm_uframes_t avail_min, boundary;
    snd_pcm_sw_params_get_avail_min(params, &avail_min);
    snd_pcm_sw_params_get_boundary(params, &boundary);
    dac->avail_min = avail_min ? avail_min : 1;
    dac->boundary = boundary;
    return 0;
}

static int dac_revents(snd_pcm_ioplug_t *io, struct pollfd *fds, unsigned int count, unsigned short *revents)
{
    dac_t *dac = io->private_data;
    uint64_t expirations, position = played(dac);
    (void)fds;
    (void)count;
    if (read(dac->timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
        return -errno;
    *revents = 0;
    if (is_dry(dac, position) || io->state == SND_PCM_STATE_XRUN)
        *revents = POLLERR | POLLOUT;
    else if (dac->written + dac->avail_min <= position + io->buffer_size
             || (io->state == SND_PCM_STATE_DRAINING && position >= dac->written))
        *revents = POLLOUT;
    arm(dac);
    return 0;
}

static int dac_close(snd_pcm_ioplug_t *io)
{
    dac_t *dac = io->private_data;
    end_run(dac);
    close_files(dac);
    close(dac->timer);
    free(dac->folder);
    free(dac);
    return 0;
}

static const snd_pcm_ioplug_callback_t callbacks = {
    .start = dac_start,
    .stop = dac_stop,
    .pointer = dac_pointer,
    .transfer = dac_transfer,
    .close = dac_close,
    .hw_params = dac_hw_params,
    .sw_params = dac_sw_params,
    .prepare = dac_prepare,
    .drain = dac_drain,
    .poll_revents = dac_revents,
    .delay = dac_delay,
};

static int limit(snd_pcm_ioplug_t *io)
{
    static const unsigned int access[] = {SND_PCM_ACCESS_RW_INTERLEAVED};
    static const unsigned int formats[] = {SND_PCM_FORMAT_S16_LE, SND_PCM_FORMAT_S24_3LE, SND_PCM_FORMAT_S32_LE,
                                           SND_PCM_FORMAT_FLOAT_LE};
    int error = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_ACCESS, 1, access);
    if (!error)
        error = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_FORMAT, 4, formats);
    if (!error)
        error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_CHANNELS, 1, 8);
    if (!error)
        error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_RATE, 8000, 192000);
    if (!error)
        error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIOD_BYTES, 128, 1 << 18);
    if (!error)
        error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_BUFFER_BYTES, 512, 1 << 20);
    if (!error)
        error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIODS, 2, 64);
    return error;
}

static dac_t *new_dac(const char *folder, double ppm)
{
    dac_t *dac = calloc(1, sizeof *dac);
    if (!dac)
        return NULL;
    dac->folder = strdup(folder);
    dac->ppm = ppm;
    dac->data = dac->story = -1;
    dac->avail_min = dac->boundary = 1;
    dac->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    dac->io.version = SND_PCM_IOPLUG_VERSION;
    dac->io.name = "Simulated converter";
    dac->io.callback = &callbacks;
    dac->io.private_data = dac;
    dac->io.poll_fd = dac->timer;
    dac->io.poll_events = POLLIN;
    dac->io.flags = SND_PCM_IOPLUG_FLAG_MONOTONIC | SND_PCM_IOPLUG_FLAG_BOUNDARY_WA;
    return dac;
}

SND_PCM_PLUGIN_DEFINE_FUNC(simdac)
{
    snd_config_iterator_t entry, next;
    const char *folder = NULL;
    double ppm = 0;
    dac_t *dac;
    int error;
    (void)root;
    if (stream != SND_PCM_STREAM_PLAYBACK)
        return -ENODEV;
    snd_config_for_each(entry, next, conf)
    {
        snd_config_t *item = snd_config_iterator_entry(entry);
        const char *id;
        if (snd_config_get_id(item, &id) < 0 || !strcmp(id, "comment") || !strcmp(id, "type") || !strcmp(id, "hint"))
            continue;
        if (!strcmp(id, "folder") && snd_config_get_string(item, &folder) >= 0)
            continue;
        if (!strcmp(id, "ppm") && snd_config_get_ireal(item, &ppm) >= 0)
            continue;
        SNDERR("simdac: cannot use the setting %s", id);
        return -EINVAL;
    }
    if (!folder) {
        SNDERR("simdac: no folder given");
        return -EINVAL;
    }
    dac = new_dac(folder, ppm);
    if (!dac)
        return -ENOMEM;
    error = dac->folder && dac->timer >= 0 ? snd_pcm_ioplug_create(&dac->io, name, stream, mode) : -ENOMEM;
    if (error < 0) {
        dac_close(&dac->io);
        return error;
    }
    error = limit(&dac->io);
    if (error < 0) {
        snd_pcm_ioplug_delete(&dac->io); /* calls dac_close */
        return error;
    }
    *pcmp = dac->io.pcm;
    return 0;
}

SND_PCM_PLUGIN_SYMBOL(simdac);
