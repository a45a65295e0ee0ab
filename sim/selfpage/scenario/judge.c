/* Verdicts that every run and every simulation has. */
#include "selfpage/scenario/judge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "expression/expression.h"

int judge_tasks(struct outcome *outcome)
{
    int result = 0;

    for (uint32_t i = 0; i < outcome->scenario->tasks_count && result == 0; i++) {
        const struct task_outcome *task = &outcome->tasks[i];
        int wanted = task->task->expected_exit;
        bool passed = task->state == OUTCOME_ENDED && task->exit_status == wanted;
        char text[80], why[100];

        if (wanted < 0)
            continue;
        snprintf(text, sizeof text, "%s.exit_status == %d", task->task->name, wanted);
        if (task->state == OUTCOME_ENDED && task->exit_status > 128)
            snprintf(why, sizeof why, "it is %d: signal %d (%s)%s", task->exit_status,
                     task->exit_status - 128, strsignal(task->exit_status - 128),
                     task->seen.breached ? ", after physmem had revoked its contract" : "");
        else if (task->state == OUTCOME_ENDED)
            snprintf(why, sizeof why, "it is %d", task->exit_status);
        else
            snprintf(why, sizeof why, "it never ran");
        result = outcome_expect(outcome, text, passed, passed ? NULL : why);
    }
    return result;
}

/* A policy that blunders is overruled, and would go unnoticed. */
int judge_policies(struct outcome *outcome)
{
    char why[120] = "";

    for (uint32_t i = 0; i < outcome->scenario->tasks_count; i++) {
        const struct task_outcome *task = &outcome->tasks[i];

        if (task->stats.policy_errors == 0)
            continue;
        snprintf(why, sizeof why, "%s of task %s did, %llu times", outcome_policy(task),
                 task->task->name, (unsigned long long)task->stats.policy_errors);
        break;
    }
    return outcome_expect(outcome, "no eviction policy named a page that was not there",
                          *why == '\0', *why == '\0' ? NULL : why);
}

/* What every run expects anyway stands there once, with what is known about it. */
static bool is_judged(const struct outcome *outcome, const char *text)
{
    for (size_t i = 0; i < outcome->expectation_count; i++)
        if (strcmp(outcome->expectations[i].text, text) == 0)
            return true;
    return false;
}

int judge_expressions(struct outcome *outcome)
{
    struct expression_names names = outcome_names(outcome);
    int result = 0;

    for (uint32_t i = 0; i < outcome->scenario->expect_count && result == 0; i++) {
        const char *text = outcome->scenario->expect[i];
        struct expression_sides sides;
        char said[EXPRESSION_SAID];
        struct sp_error error;
        int holds = expression_evaluate(text, &names, false, &sides, &error);

        if (is_judged(outcome, text))
            continue;
        if (holds == 0)
            error_set(&error, EINVAL, "%s", expression_say(said, &sides));
        result = outcome_expect(outcome, text, holds == 1, holds == 1 ? NULL : error.text);
    }
    return result;
}
