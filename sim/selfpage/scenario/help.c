/* The end of `selfpage run --help`: the reference of the scenario format. */
#include "selfpage/scenario/help.h"

#include <string.h>

#include "policy/registry.h"
#include "selfpage/command/counters.h"

static const char before_counters[] =
    "\n"
    "SCENARIO is a YAML file. A TIME is a whole number and ns, us, ms, s, m or h: 1500ms. Fields in\n"
    "brackets may be left out.\n"
    "\n"
    "physmem:\n"
    "  frames: N            frames there are, of 4 KiB\n"
    "  [reserve: N]         frames that are never guaranteed to anyone (0)\n"
    "  [arbiter: NAME[:PARAMETERS]]  which tasks get extra frames, as selfpage-physmem --help says (excess)\n"
    "  [chaos_unmap: RATE]  unmap pages at random, so many times a second (0)\n"
    "  [seed: N]            of physmem's randomness; tasks get numbers derived from it (1)\n"
    "  [args: [TEXT, ...]]  further options for selfpage-physmem\n"
    "[physmems:]            a list of further ones, each a task of one before it, whose frames it re-lets:\n"
    "- name: NAME           letters, digits and _\n"
    "  [upstream: NAME]     which one (physmem)\n"
    "  contract: CONTRACT   what to hold there\n"
    "  [reserve: N]         as above\n"
    "  [arbiter: NAME[:PARAMETERS]]  as above\n"
    "  [args: [TEXT, ...]]  as above\n"
    "[swap:]                without it, tasks have no precious regions\n"
    "  slots: N             pages it can hold\n"
    "  [file: PATH]         its device (a file in the private directory)\n"
    "  [device: DEVICE]     instead of file: see \"Devices\" in selfpage-swap --help\n"
    "  [keep: BOOL]         keep the file when swap ends, and what it holds (no)\n"
    "  [buffered: BOOL]     go through the page cache (no)\n"
    "  [fail_writes: RATE]  0 to 1: let writes fail (0)\n"
    "  [bandwidth: N]       pages a second of which tasks may have rates by contract (none)\n"
    "  [args: [TEXT, ...]]  further options for selfpage-swap\n"
    "[policyserver:]        {} is enough; it starts before the tasks\n"
    "  [arbiter: NAME[:PARAMETERS]]  what each task is entitled to (default: physmem's own decides)\n"
    "  [entitlements: PATH] limits, as selfpage-policyserver --help says (none)\n"
    "  [args: [TEXT, ...]]  further options for selfpage-policyserver\n"
    "[fileserver:]          a task of physmem that serves files; tasks find it in SELFPAGE_FILES\n"
    "  root: DIR            the directory that it serves\n"
    "  [contract: TERMS]    its contracts (extra frames for its cache)\n"
    "  [cache: N]           pages of its cache at most (1024)\n"
    "  [args: [TEXT, ...]]  further options for selfpage-fileserver\n"
    "tasks:                 a list:\n"
    "- name: NAME           letters, digits and _\n"
    "  [program: PROGRAM]   a path, or a word: sort is selfpage-sort where selfpage is installed\n"
    "  [arguments: [TEXT, ...]]\n"
    "  [bandwidth: TEXT]    its contract with swap: shares=N, rate=PAGES a second or rate=PAGES,extra\n"
    "  [workload:]          what it does, if it has no program (selfpage-load does it), or what selfpage\n"
    "                       simulate plays instead of its program:\n"
    "    pages: N           pages of its only region; without it, as many as its traces refer to\n"
    "    [kind: KIND]       precious, discardable or remanufacturable (precious)\n"
    "    [recalls: ignore]  it answers none\n"
    "    [refill: TIME]     remanufacturable: what making a page takes (0s)\n"
    "    zipf: S            pages by popularity: the k-th with a weight of 1/k^S, S from 0 to 4; or\n"
    "    scan: N            every N-th page in order, round and round; or\n"
    "    loop: N            the first N pages in order, round and round; or\n"
    "    markov: N          any of N pages side by side, which are others now and then; or\n"
    "    idle: TIME         nothing; or\n"
    "    trace: FILE        the references of a trace, of any format that selfpage replay reads, or of what a\n"
    "                       live task has recorded (SELFPAGE_TRACE): its faults\n"
    "    [first: N]         page where its pages begin (0)\n"
    "    [stay: N]          markov: references until there are other pages, on average (100 times its N)\n"
    "    [writes: SHARE]    of its references, 0 to 1 (0)\n"
    "    [references: N]    in all (loop, markov: 10 times N; scan, trace: all once; zipf: 10 times the pages)\n"
    "    [think: TIME]      after each reference (0s)\n"
    "    [burst: N]         a pause after so many references (none)\n"
    "    [pause: TIME]      how long that is\n"
    "    [phases: [...]]    instead: a list of mappings with the fields from zipf on, and pages, one after the\n"
    "                       other\n"
    "    [rounds: N]        how often they come (1)\n"
    "  [copies: N]          so many such tasks, NAME_1, NAME_2 ...\n"
    "  [physmem: NAME]      the physmem that it uses (physmem)\n"
    "  contract: CONTRACT   what to propose: KIND=FRAMES[,min=N][,term=TIME][,clean=GRACE]\n"
    "                       [,drop=GRACE][,breach=revoke|kill|warn|penalty|repossess][,order=N]\n"
    "                       [,weight=N][,bid=N], several with ; between them. KIND is guaranteed, extra or timed. GRACE is a\n"
    "                       TIME, or 100a for a hundred allocations of the task's own. order=N makes\n"
    "                       the task's pages 2^N base pages large; FRAMES still counts base frames\n"
    "  [policy: POLICY]     an eviction policy that can run live, with parameters as in\n"
    "                       NAME:key=value (README.md has the names), or the path of a shared\n"
    "                       object, with a / in it (clock)\n"
    "  [start: TIME]        after the beginning of the run (0s)\n"
    "  [stop_after: TIME]   SIGTERM so long after its start (never)\n"
    "  [pager_thread: BOOL] handle faults in a thread of its own (no)\n"
    "  [renew: BOOL]        start a new term of a contract before the old one ends (yes)\n"
    "  [expect_exit: N]     the exit status it is to have; 128 + n: killed by signal n; any: no\n"
    "                       matter (0; any if it has stop_after)\n"
    "[events:]              a list; each has a time and one action:\n"
    "- at: TIME             after the beginning of the run\n"
    "  signal: NAME         send it to the task, or to the server\n"
    "  recall: N            have physmem recall N frames from the task\n"
    "  task: NAME           for signal and recall\n"
    "  server: SERVER       for signal, instead of task: physmem or another one's name, swap,\n"
    "                       policyserver or fileserver\n"
    "  stop: SERVER         end it by SIGTERM\n"
    "  kill: SERVER         end it by SIGKILL\n"
    "  restart: SERVER      start it again\n"
    "[faults:]              in virtual time: what goes wrong (selfpage simulate --help)\n"
    "  until: TIME          then it stops, and all tasks that keep their contracts finish\n"
    "  [kinds: [KIND, ...]] delay, hang, die, drop, slow, fail, full (those that the seed draws)\n"
    "[costs:]               in virtual time: how long things take, whatever --costs says\n"
    "  [start: TIME]        what each is of selfpage simulate --help says\n"
    "  [reference: TIME]\n"
    "  [fault: TIME]\n"
    "  [frame: TIME]\n"
    "  [round_trip: TIME]\n"
    "  [refill: TIME]\n"
    "  [write_start: TIME]\n"
    "  [write_page: TIME]\n"
    "  [read_start: TIME]\n"
    "  [read_page: TIME]\n"
    "  [depth: N]\n"
    "[figure:]              what selfpage experiment shows\n"
    "  title: TEXT\n"
    "  unit: TEXT           of the values\n"
    "  [vary: KEY=A,B,...]  a group of bars for each, as with selfpage simulate --vary\n"
    "  [groups: [TEXT, ...]]  what the groups are called (what varies)\n"
    "  bars:                a list:\n"
    "  - name: TEXT\n"
    "    value: EXPRESSION  a sum of products, without a comparison\n"
    "    [published: [N, ...]]  what was published: one, or one for each group; \"-\" is none\n"
    "[timeout: TIME]        then everything is ended, and the run has failed (5m)\n"
    "[expect: [EXPRESSION, ...]]\n"
    "[check:]               a list of commands that have to succeed at the end:\n"
    "- command: TEXT        for sh, run in the private directory while the servers still run, with\n"
    "                       DIR, BINDIR, SELFPAGE_PHYSMEM, SELFPAGE_SWAP and all NAMEs defined\n"
    "  text: TEXT           what that shows, for the summary\n"
    "\n"
    "${NAME} stands for what --define says: in every field, frames: ${N} too, if that is one word; with\n"
    "blanks or quotes in program, arguments, args, file and policy. There ${DIR} is the private\n"
    "directory, ${BINDIR} the directory of the programs, and $$ one $.\n"
    "\n"
    "A run takes nothing else from the environment than SELFPAGE_BINDIR, where the programs are,\n"
    "SELFPAGE_TRACE and SELFPAGE_HINTS, which its tasks see, and XDG_RUNTIME_DIR or TMPDIR, where the\n"
    "private directory is made. SELFPAGE_POLICY, SELFPAGE_CONTRACT and the like are set for each task as the scenario says;\n"
    "what they were before has no effect.\n"
    "\n"
    "Tasks run in the directory where selfpage was started. Their standard output and error come out\n"
    "on standard error, each line with the task's name before it.\n"
    "\n"
    "An EXPRESSION compares (== != < <= > >=) sums and products of numbers, true, false, and\n"
    "counters at the end of the run. What a counter\n"
    "counts \"now\" is, of a task, what it was in its last moments:\n";

static const char after_counters[] =
    "  sum(tasks.COUNTER) over all tasks\n"
    "\n"
    "Without being asked, a run expects that every task ends as expect_exit says, that every event\n"
    "happens, that the servers last to the end and end well, that all is over before the timeout, and\n"
    "that no eviction policy named a page that was not there.\n"
    "\n"
    "What is reproducible: with one seed the tasks compute the same, and what a policy, physmem and swap\n"
    "choose at random is the same for the same course of requests. Processes run at the same time, so\n"
    "that this course, and with it counters such as faults, differ from run to run: expect ranges of\n"
    "them. `selfpage replay` gives the same counts each time.\n"
    "\n"
    "Example:\n"
    "  physmem: {frames: 512}\n"
    "  swap: {slots: 8192}\n"
    "  tasks:\n"
    "  - name: sorter\n"
    "    program: sort\n"
    "    arguments: [\"${INPUT}\", \"${DIR}/sorted\"]\n"
    "    policy: clock\n"
    "    contract: guaranteed=256\n"
    "  expect:\n"
    "  - sorter.swapped_out > 0\n"
    "  - physmem.free == physmem.frames\n"
    "  check:\n"
    "  - command: LC_ALL=C sort \"$INPUT\" | cmp - sorted\n"
    "    text: the output is that of sort\n"
    "run by: selfpage run example.yaml --define INPUT=/usr/share/dict/words\n";

static void help_counters(FILE *out, const char *object, const struct counter_table *table,
                          const struct counter_table *shown)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct counter *row = &table->rows[i];

        if (shown == NULL || counters_find(shown, row->name) == NULL)
            fprintf(out, "  %s.%-*s  %s %s\n", object, 25 - (int)strlen(object), row->name,
                    row->unit, row->meaning);
    }
}

void help_print(FILE *out)
{
    fputs(before_counters, out);
    fprintf(out, "  TASK.%-21s  0 to 255; 128 + n: signal n ended the task\n", "exit_status");
    fprintf(out, "  TASK.%-21s  from its start to its end\n", "microseconds");
    help_counters(out, "TASK", &counters_task, NULL);
    help_counters(out, "TASK", &counters_task_status, &counters_task);
    help_counters(out, "physmem", &counters_physmem, NULL);
    help_counters(out, "swap", &counters_swap, NULL);
    help_counters(out, "fileserver", &counters_fileserver, NULL);
    fputs(after_counters, out);
    fputs("\nEviction policies that run live:", out);
    for (size_t i = 0; policy_registry_builtin(i) != NULL; i++)
        if ((policy_registry_builtin(i)->flags & SP_POLICY_LIVE) != 0)
            fprintf(out, " %s", policy_registry_builtin(i)->name);
    fputs("\n", out);
}
