/* The queue of requests within guarantees: which may overtake which, and how long one waits at most.
 *
 * A hoard holds frames beyond every guarantee, and returns none before it has to. `big` asks for its
 * whole guarantee of BIG frames, once. `small` has a guarantee of SMALL frames, and takes and returns
 * single ones whenever it likes. Time goes in units of G, the longest grace: what is recalled now is
 * back when the clock has ticked; the hoard may return it earlier.
 *
 *   - a frame that is free and guaranteed to `small` is `small`'s at once, unless `big` has waited for
 *     G already (the assertion in take());
 *   - `big` waits for at most 2 G (the assertion in tick()).
 *
 * WHERE IT IS IN THE SOURCE. serve() is pass() of core/physmem/settle.c, recall() is
 * recall_for_waiting() there, patient is pending_is_patient() of pending.c. The bound is stated in
 * core/physmem/physmem.h.
 *
 * MUTATIONS, which spin has to find:
 *   -DIN_ORDER     nobody overtakes, as before: `small` waits though frames are free
 *   -DNO_PATIENCE  `big` is overtaken for ever: it waits longer than 2 G */

#define FRAMES 7
#define BIG    4
#define SMALL  3

byte hoard = 5; /* held, all of it excess */
byte owed;      /* of these, recalled */
byte due;       /* of these, recalled before the clock ticked last: back at the next tick */
byte free = FRAMES - 5;
byte has_big, has_small;
bit waits;       /* big's request */
bit small_waits; /* small's request, for one frame */
byte waited;     /* ticks of the clock that big's request has seen */

#ifdef NO_PATIENCE
#define patient true
#else
#define patient (waited == 0)
#endif

/* What the waiting requests lack is recalled. */
inline recall()
{
    if
    :: (waits * (BIG - has_big) + small_waits) > free + owed ->
       lack = waits * (BIG - has_big) + small_waits - free - owed;
       if
       :: lack > hoard - owed -> lack = hoard - owed
       :: else
       fi;
       owed = owed + lack;
       lack = 0
    :: else
    fi
}

inline serve()
{
    if
    :: waits && free >= BIG - has_big ->
       free = free - (BIG - has_big); has_big = BIG; waits = 0; waited = 0
    :: else
    fi;
    if
    :: small_waits && free > 0 && (!waits || patient) ->
       free--; has_small++; small_waits = 0
    :: else
    fi;
    recall()
}

inline take()
{
    small_waits = 1;
#ifdef IN_ORDER
    if
    :: !waits -> serve()
    :: else -> recall()
    fi;
#else
    serve();
#endif
    assert(!small_waits || free == 0 || (waits && waited > 0))
}

inline tick()
{
    free = free + due; hoard = hoard - due; owed = owed - due;
    due = owed;
    if
    :: waits -> waited++
    :: else
    fi;
    serve();
    assert(!waits || waited < 2)
}

active proctype physmem()
{
    byte lack;

    do
    :: d_step { !waits && has_big == 0 -> waits = 1; serve() }
    :: d_step { !small_waits && has_small < SMALL -> take() }
    :: d_step { has_small > 0 -> has_small--; free++; serve() }
    /* The hoard may return what it owes before it has to. */
    :: d_step { owed > 0 ->
           owed--; hoard--; free++;
           if
           :: due > 0 -> due--
           :: else
           fi;
           serve()
       }
    :: d_step { waits -> tick() }
    /* big gives everything back, and may ask again; the hoard gets extra frames while nobody waits. */
    :: d_step { has_big == BIG && !waits -> free = free + has_big; has_big = 0; serve() }
    :: d_step { !waits && !small_waits && free > 0 && owed == 0 -> free--; hoard++ }
    od
}
