"""Selfpage's policy laboratory: eviction policies over traces, their misses and miss-ratio curves.

    import selfpage

    for r in selfpage.replay("web.oracleGeneral.zst", ["lru", "s3fifo:small=0.2"], [1000, "10%"]):
        print(r.policy, r.frames, r.miss_ratio)

A trace is the path of a file, an array of page ids (numpy's uint64, array.array("Q"), a memoryview of such;
nothing is copied), or a Trace, which says more. A policy is what `selfpage replay --policy` takes, or a
class derived from Policy, for trying an idea out:

    class Mine(selfpage.Policy):
        def __init__(self, env):
            self.queue = []
        def insert(self, page, write):
            self.queue.append(page)
        def victim(self, incoming):
            return self.queue[0]
        def remove(self, page, why):
            self.queue.remove(page)

A size is a number of frames, or a share of the trace's pages: 0.1 or "10%".

Needs cffi (Debian's python3-cffi) and libselfpage_replay: the one at the path in the environment variable
SELFPAGE_REPLAY_LIBRARY, or the one that was installed with this module, or the system's. selfpage/replay.h says
what holds for threads, seeds and errors."""
import collections
import errno
import os

import cffi

from _selfpage_declarations import TEXT as _TEXT

__all__ = ["Curve", "Env", "Error", "NO_PAGE", "Point", "Policy", "Result", "Trace", "curves", "policies", "replay"]

_ffi = cffi.FFI()
_ffi.cdef(_TEXT)


def _library():
    """The path of the library. It is installed in PREFIX/lib, and this file in a folder below."""
    name = "libselfpage_replay.so.0"
    if "SELFPAGE_REPLAY_LIBRARY" in os.environ:
        return os.environ["SELFPAGE_REPLAY_LIBRARY"]
    beside = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", name)
    return beside if os.path.exists(beside) else name


_lib = _ffi.dlopen(_library())

#: No page: what `incoming` is when room is made ahead of need.
NO_PAGE = 0xFFFFFFFF

#: Why a page leaves, as Policy.remove is told.
EVICTED, DISCARDED, PINNED, SKIPPED = range(4)

#: What one policy did at one size: see struct sp_replay_result. Bytes are 0 unless they are asked for, and the trace has sizes.
Result = collections.namedtuple(
    "Result", "policy frames pages references writes misses evictions dirty_evictions policy_errors seconds "
    "miss_ratio bytes missed_bytes byte_miss_ratio")

#: A point of a curve; `error` is that of sampling, 0 where it is exact.
Point = collections.namedtuple("Point", "frames miss_ratio error")

#: The curve of a policy: points by rising size.
Curve = collections.namedtuple("Curve", "policy sampled points")


class Error(Exception):
    """What the library refuses, or fails at. `errno` is the code, the text says what was wrong."""

    def __init__(self, code, text):
        super().__init__(text)
        self.errno = code


def _check(code, error):
    if code < 0:
        raise Error(-code, _ffi.string(error.text).decode(errors="replace"))


def policies():
    """The names of the policies that come with Selfpage."""
    names = []
    while (policy := _lib.sp_replay_policy(len(names))) != _ffi.NULL:
        names.append(_ffi.string(policy.name).decode())
    return names


class Trace:
    """A trace: a path, or an array of ids with, perhaps, an array of bytes that are not 0 where a reference
    writes. `format`, `page_size`, `id_unit` and `pages_most` are as in struct sp_trace_options.

    The file stays open, and the arrays stay in use, until close() or the end of a `with` block."""

    def __init__(self, source, writes=None, *, format=None, page_size=0, id_unit=0, pages_most=0):
        error = _ffi.new("struct sp_error *")
        handle = _ffi.new("struct sp_trace **")
        self._kept = []
        self._handle = None
        if isinstance(source, (str, os.PathLike)):
            if writes is not None:
                raise TypeError("a file says itself which references write")
            options = _ffi.new("struct sp_trace_options *", {
                "version": _lib.SP_REPLAY_VERSION, "page_size": page_size, "id_unit": id_unit,
                "pages_most": pages_most})
            name = _ffi.NULL if format is None else _ffi.new("char[]", format.encode())
            path = _ffi.new("char[]", os.fsencode(source))
            options.format = name
            self._kept += [name, path]
            _check(_lib.sp_trace_open(handle, path, options, error), error)
        else:
            ids = self._array(source, 8, "uint64_t[]", "ids")
            marks = _ffi.NULL if writes is None else self._array(writes, 1, "uint8_t[]", "writes")
            if writes is not None and len(marks) != len(ids):
                raise ValueError(f"{len(ids)} ids, but {len(marks)} writes")
            _check(_lib.sp_trace_from_ids(handle, ids, marks, len(ids), error), error)
        self._handle = _ffi.gc(handle, _lib.sp_trace_close)

    def _array(self, source, size, kind, what):
        try:
            view = memoryview(source)
        except TypeError:
            raise TypeError(f"{what} must be an array (numpy, array.array, bytes), not {type(source).__name__}: "
                            f"array.array({'QB'[size == 1]!r}, ...) makes one of a list") from None
        if view.itemsize != size or not view.c_contiguous or view.ndim != 1:
            raise TypeError(f"{what} must be an array of {8 * size}-bit integers in a row, "
                            f"not of {view.format!r}")
        if view.format.lstrip("@=<") not in ("b", "B", "?", "q", "Q", "l", "L", "n", "N"):
            raise TypeError(f"{what} must be integers, not {view.format!r}")
        array = _ffi.from_buffer(kind, source)
        self._kept.append(array)
        return array

    @property
    def rereadable(self):
        """True if several runs can read it: it is not a pipe."""
        return bool(_lib.sp_trace_rereadable(self._open()))

    def _open(self):
        if self._handle is None:
            raise ValueError("the trace is closed")
        return self._handle[0]

    def close(self):
        """Close the file, and let go of the arrays."""
        if self._handle is not None:
            _ffi.release(self._handle)
            self._handle = None
            self._kept = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Env:
    """What an engine offers to a policy: see struct sp_policy_env."""

    def __init__(self, config):
        self._env = config.env
        #: Frames there are, and pages: they are numbered below this.
        self.frames, self.pages = config.frames, config.pages

    @property
    def time(self):
        """References so far."""
        return self._env.time

    def referenced(self, page):
        """True if the page was referenced since this was last asked, or since its insert; clears that."""
        return self._env.referenced(self._env, page)

    def dirty(self, page):
        """True if evicting the page would need a write."""
        return self._env.dirty(self._env, page)

    def random(self, bound):
        """A number from 0 to bound - 1, of the run's seed."""
        return self._env.random(self._env, bound)


class Policy:
    """A policy in Python: derive from it, and override at least insert, victim and remove. There is an object
    for each size. selfpage/policy.h tells the whole story."""

    def __init__(self, env):
        """The frames are empty. `env` is an Env."""

    def insert(self, page, write):
        """Page `page` has come in, and was referenced."""
        raise self._lacks("insert")

    def hit(self, page, write):
        """Page `page`, which is resident, was referenced."""

    def victim(self, incoming):
        """Name a resident page that leaves, for `incoming`, or for NO_PAGE."""
        raise self._lacks("victim")

    def remove(self, page, why):
        """Page `page` is no longer resident."""
        raise self._lacks("remove")

    def _lacks(self, method):
        return NotImplementedError(f"the policy {type(self).__name__} has no method {method}")


class _Adapter:
    """A Policy class as a struct sp_policy. The state that the engine keeps is the number of the object."""

    def __init__(self, kind, failures):
        self._kind = kind
        self._failures = failures
        self._objects = []
        name = "".join(c if c in "abcdefghijklmnopqrstuvwxyz0123456789" else "-" for c in kind.__name__.lower())
        self.name = _ffi.new("char[]", (name.strip("-") or "python").encode())
        self._size = self._callback("size_t(const struct sp_policy_config *)", lambda _config: 8, 8)
        self._init = self._callback("void(void *, const struct sp_policy_config *)", self._make)
        self._insert = self._callback("void(void *, sp_page, enum sp_access)",
                                      lambda at, page, access: self._at(at).insert(page, access != 0))
        self._hit = self._callback("void(void *, sp_page, enum sp_access)",
                                   lambda at, page, access: self._at(at).hit(page, access != 0))
        self._victim = self._callback("sp_page(void *, sp_page)",
                                      lambda at, incoming: self._at(at).victim(incoming), NO_PAGE)
        self._remove = self._callback("void(void *, sp_page, enum sp_removal)",
                                      lambda at, page, why: self._at(at).remove(page, int(why)))
        self.struct = _ffi.new("struct sp_policy *", {
            "abi": _lib.SP_POLICY_ABI, "name": self.name, "size": self._size, "init": self._init,
            "insert": self._insert, "victim": self._victim, "remove": self._remove})
        if kind.hit is not Policy.hit:
            self.struct.hit = self._hit

    def _callback(self, kind, function, failed=None):
        def failing(_kind, exception, _traceback):
            self._failures.append(exception)
        return _ffi.callback(kind, function, error=failed, onerror=failing)

    def _at(self, at):
        return self._objects[_ffi.cast("uint64_t *", at)[0]]

    def _make(self, at, config):
        _ffi.cast("uint64_t *", at)[0] = len(self._objects)
        self._objects.append(None) # its number is taken, even if it cannot be made
        self._objects[-1] = self._kind(Env(config))


def _list(value):
    """One policy, or one size, may stand without a list."""
    return [value] if isinstance(value, (str, int, float, type)) else list(value)


def _size(size):
    if isinstance(size, str) and size.endswith("%"):
        return {"frames": 0, "share": float(size[:-1]) / 100}
    if isinstance(size, float):
        return {"frames": 0, "share": size}
    return {"frames": int(size), "share": 0}


class _Run:
    """The options of a run, and what has to live as long."""

    def __init__(self, chosen, sizes, seed, threads, limit, warm_up, progress, count_bytes=False):
        self.failures = []
        self._adapters = [_Adapter(p, self.failures) if isinstance(p, type) else None for p in chosen]
        self._names = [_ffi.NULL if isinstance(p, type) else _ffi.new("char[]", p.encode()) for p in chosen]
        self._array = _ffi.new("char *[]", self._names)
        self._ops = _ffi.new("struct sp_policy *[]", [a.struct if a else _ffi.NULL for a in self._adapters])
        self._sizes = _ffi.new("struct sp_replay_size[]", [_size(s) for s in sizes])
        self._progress = progress
        self._step = _ffi.callback("int(void *, const struct sp_replay_progress *)", self._look, error=-errno.ECANCELED,
                                   onerror=lambda _kind, exception, _traceback: self.failures.append(exception))
        python = any(self._adapters)
        self.options = _ffi.new("struct sp_replay_options *", {
            "version": _lib.SP_REPLAY_VERSION, "policies": _ffi.cast("const char *const *", self._array),
            "policy_ops": _ffi.cast("const struct sp_policy *const *", self._ops), "policy_count": len(chosen),
            "sizes": self._sizes, "size_count": len(sizes), "seed": seed, "threads": 1 if python else threads,
            "limit": limit, "warm_up": warm_up, "bytes": int(count_bytes)})
        if python or progress is not None:
            self.options.progress = self._step

    def _look(self, _context, at):
        if self.failures:
            return -errno.ECANCELED
        return 0 if self._progress is None or self._progress(at.references) is not False else -errno.ECANCELED

    def check(self, code, error):
        """What a policy or `progress` raised comes first."""
        if self.failures:
            raise self.failures[0]
        _check(code, error)


def _opened(trace):
    return trace if isinstance(trace, Trace) else Trace(trace)


def replay(trace, policies, sizes, *, seed=1, threads=0, limit=0, warm_up=0, progress=None, count_bytes=False):
    """Run every policy at every size over the trace, in one pass. A list of Result, by size, then by policy.

    `limit`: references to read at most; `warm_up`: references that fill the frames and are not counted;
    `count_bytes`: count bytes, too, where the trace has sizes, for `byte_miss_ratio`;
    `progress` is called with the references so far, and ends the run if it returns False. With a policy in
    Python there is one thread."""
    opened = _opened(trace)
    run = _Run(_list(policies), _list(sizes), seed, threads, limit, warm_up, progress, count_bytes)
    error = _ffi.new("struct sp_error *")
    handle = _ffi.new("struct sp_replay **")
    try:
        code = _lib.sp_replay_run(handle, opened._open(), run.options, error)
        try:
            run.check(code, error)
            return [_result(_lib.sp_replay_result(handle[0], i)) for i in range(_lib.sp_replay_count(handle[0]))]
        finally:
            _lib.sp_replay_free(handle)
    finally:
        if opened is not trace:
            opened.close()


def _result(r):
    return Result(_ffi.string(r.policy).decode(), r.frames, r.pages, r.references, r.writes, r.misses, r.evictions,
                  r.dirty_evictions, r.policy_errors, r.seconds, r.misses / r.references if r.references else 0.0,
                  r.bytes, r.missed_bytes, r.missed_bytes / r.bytes if r.bytes else 0.0)


def curves(trace, policies, sizes=(), *, seed=1, threads=0, limit=0, progress=None):
    """The miss-ratio curve of each policy: exact for lru, sampled for the others where there are many pages.
    A list of Curve. Without sizes they are chosen. Other arguments as for replay."""
    policies = _list(policies)
    opened = _opened(trace)
    run = _Run(policies, _list(sizes), seed, threads, limit, 0, progress)
    error = _ffi.new("struct sp_error *")
    handle = _ffi.new("struct sp_curves **")
    try:
        code = _lib.sp_curves_run(handle, opened._open(), run.options, error)
        try:
            run.check(code, error)
            return [_curve(handle[0], i, p) for i, p in enumerate(policies)]
        finally:
            _lib.sp_curves_free(handle)
    finally:
        if opened is not trace:
            opened.close()


def _curve(handle, i, policy):
    count = _ffi.new("size_t *")
    points = _lib.sp_curves_points(handle, i, count)
    name = policy.__name__ if isinstance(policy, type) else policy
    return Curve(name, bool(_lib.sp_curves_sampled(handle, i)),
                 [Point(p.frames, p.miss_ratio, p.error) for p in points[0:count[0]]])


if _lib.sp_replay_version() < _lib.SP_REPLAY_VERSION:
    raise ImportError(f"libselfpage_replay has version {_lib.sp_replay_version()} of its interface, and this module "
                      f"needs {_lib.SP_REPLAY_VERSION}")
