#include "perfetto/perfetto.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "perfetto/track_event.pb-c.h"

/* Types of TrackEvent, and the unit of our counters. */
enum { SLICE_BEGIN = 1, SLICE_END = 2, INSTANT = 3, COUNTER = 4, UNIT_COUNT = 2 };

/* All packets are one sequence. */
#define SEQUENCE 1u

/* Most bytes of a packet: names longer than that are not written. */
#define PACKET_MOST 1024u

int perfetto_open(struct perfetto *perfetto, const char *path, struct sp_error *error)
{
    int code;

    *perfetto = (struct perfetto){.path = path};
    code = new_file_open(&perfetto->file, path, error);
    if (code != 0)
        return code;
    perfetto->out = fdopen(dup(perfetto->file.fd), "w");
    if (perfetto->out == NULL) {
        code = error_set(error, errno, "%.100s: %s", path, strerror(errno));
        new_file_fini(&perfetto->file);
    }
    return code;
}

/* A trace is its packets one behind the other, each as field 1: so it can be written bit by bit. */
static void write_packet(struct perfetto *perfetto, Selfpage__Perfetto__TracePacket *packet)
{
    Selfpage__Perfetto__Trace trace = SELFPAGE__PERFETTO__TRACE__INIT;
    uint8_t bytes[PACKET_MOST];
    size_t size;

    if (perfetto->out == NULL)
        return;
    packet->has_trusted_packet_sequence_id = true;
    packet->trusted_packet_sequence_id = SEQUENCE;
    trace.n_packet = 1;
    trace.packet = &packet;
    if (selfpage__perfetto__trace__get_packed_size(&trace) > sizeof bytes) {
        perfetto->failure = perfetto->failure != 0 ? perfetto->failure : -ENAMETOOLONG;
        return;
    }
    size = selfpage__perfetto__trace__pack(&trace, bytes);
    ensure(size <= sizeof bytes);
    if (fwrite(bytes, 1, size, perfetto->out) != size && perfetto->failure == 0)
        perfetto->failure = errno != 0 ? -errno : -EIO;
}

/* ---- Tracks ---- */

static uint64_t write_track(struct perfetto *perfetto,
                            Selfpage__Perfetto__TrackDescriptor *descriptor)
{
    Selfpage__Perfetto__TracePacket packet = SELFPAGE__PERFETTO__TRACE_PACKET__INIT;

    descriptor->has_uuid = true;
    descriptor->uuid = ++perfetto->tracks;
    packet.track_descriptor = descriptor;
    write_packet(perfetto, &packet);
    return perfetto->tracks;
}

uint64_t perfetto_process(struct perfetto *perfetto, const char *name, int pid)
{
    Selfpage__Perfetto__TrackDescriptor track = SELFPAGE__PERFETTO__TRACK_DESCRIPTOR__INIT;
    Selfpage__Perfetto__ProcessDescriptor process = SELFPAGE__PERFETTO__PROCESS_DESCRIPTOR__INIT;

    process.has_pid = true;
    process.pid = pid;
    process.process_name = (char *)name;
    track.name = (char *)name;
    track.process = &process;
    return write_track(perfetto, &track);
}

uint64_t perfetto_counter(struct perfetto *perfetto, uint64_t parent, const char *name)
{
    Selfpage__Perfetto__TrackDescriptor track = SELFPAGE__PERFETTO__TRACK_DESCRIPTOR__INIT;
    Selfpage__Perfetto__CounterDescriptor counter = SELFPAGE__PERFETTO__COUNTER_DESCRIPTOR__INIT;

    check(parent <= perfetto->tracks);
    counter.has_unit = true;
    counter.unit = UNIT_COUNT;
    track.name = (char *)name;
    track.has_parent_uuid = true;
    track.parent_uuid = parent;
    track.counter = &counter;
    return write_track(perfetto, &track);
}

/* ---- Events ---- */

static void write_event(struct perfetto *perfetto, uint64_t ns, uint64_t track, int type,
                        Selfpage__Perfetto__TrackEvent *event)
{
    Selfpage__Perfetto__TracePacket packet = SELFPAGE__PERFETTO__TRACE_PACKET__INIT;

    check(track > 0 && track <= perfetto->tracks);
    event->has_type = true;
    event->type = type;
    event->has_track_uuid = true;
    event->track_uuid = track;
    packet.has_timestamp = true;
    packet.timestamp = ns;
    packet.track_event = event;
    write_packet(perfetto, &packet);
}

void perfetto_begin(struct perfetto *perfetto, uint64_t ns, uint64_t track, const char *name)
{
    Selfpage__Perfetto__TrackEvent event = SELFPAGE__PERFETTO__TRACK_EVENT__INIT;

    event.name = (char *)name;
    write_event(perfetto, ns, track, SLICE_BEGIN, &event);
}

void perfetto_end(struct perfetto *perfetto, uint64_t ns, uint64_t track)
{
    Selfpage__Perfetto__TrackEvent event = SELFPAGE__PERFETTO__TRACK_EVENT__INIT;

    write_event(perfetto, ns, track, SLICE_END, &event);
}

void perfetto_instant(struct perfetto *perfetto, uint64_t ns, uint64_t track, const char *name,
                      enum perfetto_flow how, uint64_t flow)
{
    Selfpage__Perfetto__TrackEvent event = SELFPAGE__PERFETTO__TRACK_EVENT__INIT;

    event.name = (char *)name;
    if (how == PERFETTO_FLOW_BEGINS) {
        event.n_flow_ids = 1;
        event.flow_ids = &flow;
    } else if (how == PERFETTO_FLOW_ENDS) {
        event.n_terminating_flow_ids = 1;
        event.terminating_flow_ids = &flow;
    }
    write_event(perfetto, ns, track, INSTANT, &event);
}

void perfetto_count(struct perfetto *perfetto, uint64_t ns, uint64_t counter, uint64_t value)
{
    Selfpage__Perfetto__TrackEvent event = SELFPAGE__PERFETTO__TRACK_EVENT__INIT;

    event.has_counter_value = true;
    event.counter_value = value < INT64_MAX ? (int64_t)value : INT64_MAX;
    write_event(perfetto, ns, counter, COUNTER, &event);
}

/* ---- The end ---- */

int perfetto_finish(struct perfetto *perfetto, struct sp_error *error)
{
    int code = perfetto->failure;

    if (perfetto->out == NULL)
        return 0;
    if (fclose(perfetto->out) != 0 && code == 0)
        code = -errno;
    perfetto->out = NULL;
    if (code != 0)
        return error_set(error, -code, "%.100s: cannot write: %s", perfetto->path, strerror(-code));
    return new_file_finish(&perfetto->file, error);
}

void perfetto_fini(struct perfetto *perfetto)
{
    if (perfetto->path == NULL)
        return;
    if (perfetto->out != NULL)
        fclose(perfetto->out);
    new_file_fini(&perfetto->file);
    *perfetto = (struct perfetto){.path = NULL};
}
