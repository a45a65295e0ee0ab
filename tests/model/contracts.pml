/* The protocol of contracts: physmem, two tasks, and a policy server with a successor.
 *
 * Task 0 keeps its contracts; task 1 does whatever it likes: asks without waiting, reads nothing,
 * answers no recall, dies, comes back. The policy servers take control, write anything into the
 * table, hand control over, die. What must hold all the same:
 *
 *   - nobody waits for ever for somebody else (no invalid end state);
 *   - the books: every frame is free or held, the guarantees fit, nobody owes more than it holds
 *     beyond its guarantee;
 *   - task 0 is never revoked;
 *   - one policy server has control at a time;
 *   - a request of task 0 within its guarantee is answered (ltl answered, under weak fairness).
 *
 * WHERE IT IS IN THE SOURCE. Each step of the process `physmem` names its function. The loop is that
 * of libuv in sim/physmem: one message at a time of the connections that have some, in turn, so that
 * nobody keeps another from being heard.
 *
 * TIME. There is no clock: a deadline may pass at any moment while it runs. Only for task 0, which
 * is slow but keeps its contracts, does it not pass before the task has read what it was sent and
 * has sent off what it could return: grace is as long as that takes. What it sent may still lie in
 * the socket when the deadline is judged.
 *
 * LEFT OUT. Contents, containers, extents; unmaps, whose deadline is judged as a recall's; notices,
 * but that a term is over; parts of contracts, frame stacks and soft frames; the other rungs of the
 * ladder of breach; several contracts of one task: a guaranteed one, and extra frames without limit,
 * stand for all. A recall is of one frame.
 *
 * SIZES. tests/model/check searches two small worlds in a few seconds: three frames without policy
 * servers (guarantees that are countered, and extra frames), and two frames with them. All of it at
 * once, spin -a -DPOLICY_SERVERS, is 2.3 million states and needs 450 MB.
 *
 * MUTATIONS, which spin has to find, or the model could not find anything:
 *   -DWAITS_FOR_TASKS   physmem waits until a control connection takes a message
 *   -DJUDGES_FIRST      deadlines are judged before what arrived in time is received
 *   -DNEVER_FORGIVES    a guarantee that grows leaves recalls of what is guaranteed now
 *   -DNEVER_JUDGES      deadlines pass, and nothing comes of it (answered does not hold) */

#ifndef FRAMES
#define FRAMES 3
#endif
#ifndef WISH
#define WISH 2 /* frames guaranteed, if they are to be had; the least is 1 */
#endif
#define RECALLS 1 /* not met, of one task: PHYSMEM_RECALLS_MAX is 4 */
#define NOBODY  2

/* What task 0 may find in its control channel. It reads all before it says something new. From then
 * on as many recalls can come as can be open; once more as many after what it said made these void;
 * one more after a return that was on its way; and the notice that its term is over. A channel of
 * this size is enough: else task 0 would be revoked. */
#define CONTROL_0 (2 * RECALLS + 2)
#define CONTROL_1 1

mtype = { BYE, PROPOSE, ACCEPT, RENEW, CLOSE, ALLOCATE, EXTRA, DEALLOCATE };
mtype = { AGREED, COUNTERED, REFUSED, GIVEN };
mtype = { RECALL, EXPIRED };
mtype = { GET_CONTROL, ENTITLED, HAND_OVER, LOST };
mtype = { DEADLINE, TERM };

chan request_0 = [1] of { mtype };
chan request_1 = [0] of { mtype }; /* what task 1 may have said before it is heard matters to nobody */
chan reply_0 = [1] of { mtype };
chan control_0 = [CONTROL_0] of { mtype };
chan control_1 = [CONTROL_1] of { mtype };
chan answer_0 = [1] of { mtype };

/* ---- Physmem's state ---- */

mtype = { NONE, OFFERED, ACTIVE, OVER };

mtype contract[2] = NONE;
byte guaranteed[2]; /* by a running contract */
byte held[2];
byte owed[2];       /* recalls, of one frame each */
bit revoked[2];
byte free = FRAMES;
byte pending[2] = NOBODY; /* who waits for frames within its guarantee, in order */

/* The table: the policy server in control writes it, physmem reads it whenever it likes. What it may
 * say comes to this: one task is entitled to everything and the other to nothing, or both to all. */
byte favoured = NOBODY;
#define entitled(i) (favoured == 1 - (i) -> 0 : FRAMES)
byte holder = NOBODY; /* the policy server in control */
byte next = NOBODY;   /* the one that waits for it */
bit has_control[2];   /* what the policy servers know of it: CONTROL has come */

chan policy = [0] of { mtype, byte };
chan timer = [0] of { mtype, byte };

/* One message of each connection in turn: while task 0 has said something that was not heard, nobody
 * else is heard twice. Physmem takes in whatever comes: those who would speak out of turn wait. */
bit tired;
#define unheard (len(request_0) + len(answer_0) > 0)
#define IN_TURN (!tired || !unheard) ->

#define excess(i)       (held[i] > guaranteed[i] -> held[i] - guaranteed[i] : 0)
#define recallable(i)   (owed[i] < RECALLS -> excess(i) - owed[i] : 0)
#define waits(i)        (pending[0] == i || pending[1] == i)
#define promised        (guaranteed[0] + guaranteed[1])

inline books()
{
    assert(free + held[0] + held[1] == FRAMES);
    assert(promised <= FRAMES);
    assert(owed[0] <= excess(0) && owed[1] <= excess(1));
    assert(!revoked[0]);
    assert(!(has_control[0] && has_control[1]));
}

/* ---- Task 0 ---- */

byte mine;    /* frames that it knows of */
byte debt;    /* that it was asked for, and has not returned */
bit growing;  /* asks for a frame */
mtype view = NONE;

/* It has read all, and returned what it could. */
#define settled (len(control_0) == 0 && len(reply_0) == 0 && (debt == 0 || mine == 0))

/* It says nothing new before it has read what it was sent. */
#define CAN_SPEAK empty(control_0) && nfull(request_0)

/* The program's own threads, in the fault handler: src/task/transit.c, src/task/contracts.c. It
 * reads notices before it asks for what they are about. */
active proctype task_0()
{
    mtype got;

end:
    do
    :: atomic { view == NONE && CAN_SPEAK -> request_0!PROPOSE };
       d_step {
           reply_0?got;
           if
           :: got == AGREED -> view = ACTIVE
           :: got == COUNTERED -> view = OFFERED
           :: else
           fi;
           got = 0
       }
    :: atomic { view == OFFERED && CAN_SPEAK -> request_0!ACCEPT };
       d_step {
           reply_0?got;
           if
           :: got == AGREED -> view = ACTIVE
           :: else -> view = NONE
           fi;
           got = 0
       }
    :: atomic { view == OVER && CAN_SPEAK -> request_0!RENEW };
       d_step {
           reply_0?got;
           if
           :: got == AGREED -> view = ACTIVE
           :: else -> view = NONE
           fi;
           got = 0
       }
    :: atomic { view == ACTIVE && CAN_SPEAK -> request_0!CLOSE };
       d_step { reply_0?got; view = NONE; got = 0 }
    :: atomic {
           view == ACTIVE && mine < WISH && debt == 0 && CAN_SPEAK ->
           request_0!ALLOCATE;
           growing = 1
       };
waits: d_step {
           reply_0?got;
           if
           :: got == GIVEN -> mine++
           :: else
           fi;
           growing = 0;
           debt = (debt > mine -> mine : debt); /* pager_allocated */
           got = 0
       }
    :: atomic {
           mine < FRAMES && debt == 0 && CAN_SPEAK -> request_0!EXTRA; growing = 1
       };
       d_step {
           reply_0?got;
           if
           :: got == GIVEN -> mine++
           :: else
           fi;
           growing = 0;
           debt = (debt > mine -> mine : debt);
           got = 0
       }
    :: atomic { mine > 0 && debt == 0 && CAN_SPEAK -> mine--; request_0!DEALLOCATE }
    od
}

/* Its control thread, which never waits for a reply: src/task/control.c. */
active proctype control_thread_0()
{
    mtype got;

end:
    do
    :: d_step {
           nempty(control_0) -> control_0?got;
           if
           :: got == RECALL -> debt = (debt < mine + growing -> debt + 1 : debt) /* pager_owe */
           :: got == EXPIRED && view == ACTIVE -> view = OVER
           :: else
           fi;
           got = 0
       }
    :: d_step {
           debt > 0 && mine > 0 && nfull(answer_0) ->
           mine--;
           debt--;
           answer_0!DEALLOCATE
       }
    od
}

/* ---- Task 1 ---- */

/* Anything, whether it makes sense or not; what it is told changes nothing, so that it is always told
 * the same. After BYE it comes back, in time. */
active proctype task_1()
{
end:
    do
    :: atomic { IN_TURN request_1!PROPOSE }
    :: atomic { IN_TURN request_1!ACCEPT }
    :: atomic { IN_TURN request_1!RENEW }
    :: atomic { IN_TURN request_1!CLOSE }
    :: atomic { IN_TURN request_1!ALLOCATE }
    :: atomic { IN_TURN request_1!EXTRA }
    :: atomic { IN_TURN request_1!DEALLOCATE }
    :: atomic { IN_TURN request_1!BYE }
    :: control_1?_
    od
}

/* ---- The policy servers ---- */

proctype policy_server(byte me)
{
    atomic { (me == 0 || holder == 0) && IN_TURN policy!GET_CONTROL(me) }; /* the second one succeeds */
end:
    do
    :: has_control[me] -> /* sim/policyserver: it computes, and writes */
       if
       :: favoured = 0
       :: favoured = 1
       :: atomic { IN_TURN policy!ENTITLED(me) }
       :: atomic { IN_TURN policy!HAND_OVER(me) }; break
       :: atomic { IN_TURN policy!LOST(me) }; break /* it dies */
       fi
    od
}

/* ---- Physmem ---- */

/* connection_send. Task 0 has one request under way, and takes the reply. If task 1 takes none its
 * connection ends, which is what BYE stands for. */
inline send_reply(i, what)
{
    if
    :: i == 0 -> assert(len(reply_0) == 0); reply_0!what
    :: else
    fi
}

/* PHYSMEM_SEND_*: a control connection that takes nothing more is a breach: physmem_control_stuck.
 */
inline send_control(i, what)
{
#ifdef WAITS_FOR_TASKS
    if
    :: i == 0 -> control_0!what
    :: i == 1 -> control_1!RECALL
    fi
#else
    if
    :: i == 0 && len(control_0) < CONTROL_0 -> control_0!what
    :: i == 1 && len(control_1) < CONTROL_1 -> control_1!RECALL
    :: else -> task_revoke(i)
    fi
#endif
}

/* pending_cancel */
inline pending_cancel(i)
{
    if
    :: pending[0] == i -> pending[0] = pending[1]; pending[1] = NOBODY
    :: pending[0] != i && pending[1] == i -> pending[1] = NOBODY
    :: else
    fi
}

/* task_strip */
inline task_strip(i)
{
    pending_cancel(i);
    free = free + held[i];
    held[i] = 0;
    owed[i] = 0;
    guaranteed[i] = 0;
    contract[i] = NONE
}

inline task_revoke(i)
{
    task_strip(i);
    revoked[i] = 1
}

/* recall_issue, recall_pay (what is due first is paid first) and recall_forgive: never are more
 * frames asked for than can be recalled. */
inline recall_issue(i)
{
    owed[i]++;
    send_control(i, RECALL)
}

inline recall_pay(i)
{
    if
    :: owed[i] > 0 -> owed[i]--; late = (late > 0 -> late - 1 : 0)
    :: else
    fi
}

inline recall_forgive(i)
{
#ifndef NEVER_FORGIVES
    owed[i] = (owed[i] > excess(i) -> excess(i) : owed[i]);
    late = (late > owed[i] -> owed[i] : late)
#else
    skip
#endif
}

/* contract_answer, to a proposal or a renewal: all of the wish, or a counter-offer of what there is.
 */
inline contract_answer(i, counters)
{
    guaranteed[i] = 0;
    if
    :: promised + WISH <= FRAMES -> contract_activate(i, WISH)
    :: promised + WISH > FRAMES && counters && promised < FRAMES ->
       contract[i] = OFFERED;
       send_reply(i, COUNTERED)
    :: else -> contract[i] = (counters -> NONE : OVER); send_reply(i, REFUSED)
    fi
}

inline contract_activate(i, frames)
{
    guaranteed[i] = frames;
    contract[i] = ACTIVE;
    recall_forgive(i);
    send_reply(i, AGREED)
}

/* physmem_accept: the offer was of one frame, if that is still there. */
inline contract_accept(i)
{
    if
    :: contract[i] == OFFERED && promised < FRAMES -> contract_activate(i, 1)
    :: contract[i] == OFFERED && promised == FRAMES -> contract[i] = NONE; send_reply(i, REFUSED)
    :: else -> send_reply(i, REFUSED)
    fi
}

inline give(i)
{
    free--;
    held[i]++;
    send_reply(i, GIVEN)
}

/* physmem_allocate, within the guarantee */
inline allocate_within(i)
{
    if
    :: waits(i) || held[i] >= guaranteed[i] -> send_reply(i, REFUSED)
    :: !waits(i) && held[i] < guaranteed[i] && free > 0 && pending[0] == NOBODY -> give(i)
    :: !waits(i) && held[i] < guaranteed[i] && free == 0 && pending[0] == NOBODY -> pending[0] = i
    :: else -> pending[1] = i
    fi
}

/* extra_allowed, control_decide: extra frames while some are there and nobody waits; if there are
 * none, one who has more than it is entitled to is asked. */
inline allocate_extra(i)
{
    if
    :: owed[i] == 0 && pending[0] == NOBODY && free > 0 && held[i] < entitled(i) -> give(i)
    :: else ->
       send_reply(i, REFUSED);
       if
       :: pending[0] == NOBODY && free == 0 -> take_beyond(i)
       :: else
       fi
    fi
}

/* take_beyond: for who wants extra frames it is entitled to, from who has more than that. */
inline take_beyond(i)
{
    if
    :: held[i] < entitled(i) && recallable(1 - i) > 0 &&
       held[1 - i] > entitled(1 - i) && owed[1 - i] == 0 ->
       recall_issue(1 - i)
    :: else
    fi
}

/* physmem_deallocate */
inline deallocate(i)
{
    if
    :: held[i] > 0 ->
       held[i]--;
       free++;
       recall_pay(i);
       recall_forgive(i)
    :: else
    fi
}

/* on_message of sim/physmem/session.c */
inline receive(i, what)
{
    if
    :: what == BYE -> task_strip(i); revoked[i] = 0
    :: what != BYE && revoked[i] ->
       if
       :: what != DEALLOCATE -> send_reply(i, REFUSED) /* EPIPE */
       :: else
       fi
    :: what == PROPOSE && !revoked[i] ->
       if
       :: contract[i] == NONE || contract[i] == OFFERED -> contract_answer(i, 1)
       :: else -> send_reply(i, REFUSED)
       fi
    :: what == ACCEPT && !revoked[i] -> contract_accept(i)
    :: what == RENEW && !revoked[i] ->
       if
       :: contract[i] == ACTIVE -> contract_activate(i, guaranteed[i])
       :: contract[i] == OVER -> contract_answer(i, 0)
       :: else -> send_reply(i, REFUSED)
       fi
    :: what == CLOSE && !revoked[i] ->
       guaranteed[i] = 0;
       contract[i] = NONE;
       send_reply(i, REFUSED)
    :: what == ALLOCATE && !revoked[i] -> allocate_within(i)
    :: what == EXTRA && !revoked[i] -> allocate_extra(i)
    :: what == DEALLOCATE && !revoked[i] -> deallocate(i)
    fi
}

/* pending_serve and recall_for_pending, at the end of every input: physmem_settle. Of two tasks only
 * the one that does not wait can give: there is nothing for an arbiter to choose. */
inline settle()
{
    do
    :: pending[0] != NOBODY && held[pending[0]] >= guaranteed[pending[0]] ->
       who = pending[0];
       pending_cancel(who);
       send_reply(who, REFUSED)
    :: pending[0] != NOBODY && held[pending[0]] < guaranteed[pending[0]] && free > 0 ->
       who = pending[0];
       pending_cancel(who);
       give(who)
    :: pending[0] != NOBODY && held[pending[0]] < guaranteed[pending[0]] && free == 0 &&
       owed[0] + owed[1] < (pending[1] != NOBODY -> 2 : 1) && recallable(0) + recallable(1) > 0 ->
       who = (recallable(0) > 0 -> 0 : 1);
       recall_issue(who)
    :: else -> break
    od;
    who = 0
}

/* contract_due */
inline term_ends(i)
{
    if
    :: contract[i] == ACTIVE ->
       guaranteed[i] = 0;
       contract[i] = OVER;
       send_control(i, EXPIRED)
    :: else
    fi
}

/* recall_due. What arrived before the deadline is judged was in time: on_deadline and on_check of
 * sim/physmem/service.c receive once more, and then call physmem_tick. What task 1 could have sent
 * in time it could also have sent before. */
inline deadline_passes(i)
{
#ifdef NEVER_JUDGES
    late = 0;
#else
    late = (i == 1 || settled -> owed[i] : 0);
#endif
#ifndef JUDGES_FIRST
    do
    :: i == 0 && late > 0 && len(request_0) > 0 -> request_0?got; receive(0, got)
    :: i == 0 && late > 0 && len(request_0) == 0 && len(answer_0) > 0 -> answer_0?got; deallocate(0)
    :: else -> break
    od;
#endif
    if
    :: late > 0 -> task_revoke(i); late = 0
    :: else
    fi
}

/* physmem_control_begin, and in sim/physmem/policyserver.c who waits, hands over, or is lost. What
 * the table says stands. */
inline receive_policy(id, what)
{
    if
    :: what == GET_CONTROL && holder == NOBODY -> holder = id
    :: what == GET_CONTROL && holder != NOBODY -> next = id
    :: what == ENTITLED -> take_beyond(0); take_beyond(1) /* arbiter_tick */
    :: what == HAND_OVER || what == LOST -> has_control[id] = 0; holder = next; next = NOBODY
    fi;
    if
    :: holder != NOBODY -> has_control[holder] = 1
    :: else
    fi
}

active proctype physmem()
{
    mtype got;
    byte who, from, late;

end:
    do
    :: atomic {
           if
           :: request_0?got -> from = 0; tired = 0
           :: answer_0?got -> from = 0; tired = 0
           :: request_1?got -> from = 1; tired = unheard
           :: timer?got, from -> tired = unheard
           :: policy?got, from -> tired = unheard
           fi;
           d_step {
               if
               :: got == DEADLINE -> deadline_passes(from)
               :: got == TERM -> term_ends(from)
               :: got == GET_CONTROL || got == ENTITLED || got == HAND_OVER || got == LOST ->
                  receive_policy(from, got)
               :: else -> receive(from, got)
               fi;
               settle();
               got = 0;
               from = 0;
               books()
           }
       }
    od
}

/* Deadlines and ends of terms may come at any time; those that are not running mean nothing. */
active proctype clock()
{
end:
    do
    :: atomic { IN_TURN timer!DEADLINE(0) }
    :: atomic { IN_TURN timer!TERM(0) }
    :: atomic { IN_TURN timer!TERM(1) }
    od
}

active proctype clock_1()
{
end:
    do
    :: atomic { IN_TURN timer!DEADLINE(1) }
    od
}

#ifdef POLICY_SERVERS
init
{
    atomic {
        run policy_server(0);
        run policy_server(1)
    }
}
#endif

ltl answered { [] (task_0@waits -> <> !task_0@waits) }
