#include <check.h>
#include <string.h>

#include "common/model/model.h"

static const unsigned all_tasks[] = {TASK_CHAT,      TASK_COMPLETION, TASK_CODE,
                                     TASK_EMBEDDING, TASK_IMAGE,      TASK_RERANK};

START_TEST(every_task_has_exactly_one_default_that_can_do_it)
{
    struct model_table t;
    int count = 0;

    model_table_builtin(&t);
    for (size_t i = 0; i < t.count; i++) {
        count += (t.rows[i].default_for & all_tasks[_i]) != 0;
        ck_assert_uint_eq(t.rows[i].default_for & ~t.rows[i].tasks, 0);
    }
    ck_assert_int_eq(count, 1);
    ck_assert_ptr_nonnull(model_default(&t, (enum task_bit)all_tasks[_i]));
    model_table_done(&t);
}
END_TEST

START_TEST(built_in_rows_are_distinct_and_sane)
{
    struct model_table t;

    model_table_builtin(&t);
    ck_assert_uint_gt(t.count, 20);
    for (size_t i = 0; i < t.count; i++) {
        const struct model *m = &t.rows[i];

        ck_assert_ptr_eq(model_find(&t, m->id, strlen(m->id)), m);
        ck_assert_str_eq(m->provider, "together");
        ck_assert(m->in_nanousd >= -1 && m->out_nanousd >= -1 && m->cached_nanousd >= -1);
        ck_assert(m->batch_percent == 50 || m->batch_percent == 100);
        ck_assert((m->tasks & TASK_IMAGE) == 0 || m->image_unit != IMAGE_NONE);
    }
    model_table_done(&t);
    ck_assert_uint_eq(t.count, 0);
}
END_TEST

START_TEST(a_model_is_found_by_its_whole_id)
{
    struct model_table t;
    const struct model *m;

    model_table_builtin(&t);
    m = model_find(&t, "openai/gpt-oss-120b and more", strlen("openai/gpt-oss-120b"));
    ck_assert_ptr_nonnull(m);
    ck_assert_int_eq(m->in_nanousd, 150000000);
    ck_assert_int_eq(m->out_nanousd, 600000000);
    ck_assert_ptr_null(model_find(&t, "openai/gpt-oss-120", strlen("openai/gpt-oss-120")));
    ck_assert_ptr_null(model_find(&t, "OpenAI/gpt-oss-120b", strlen("OpenAI/gpt-oss-120b")));
    ck_assert_ptr_null(model_find(&t, "", 0));
    model_table_done(&t);
}
END_TEST

START_TEST(tasks_have_names)
{
    for (size_t i = 0; i < ARRAY_LEN(all_tasks); i++) {
        const char *name = task_name((enum task_bit)all_tasks[i]);

        ck_assert_uint_eq(task_of(name, strlen(name)), all_tasks[i]);
    }
    ck_assert_str_eq(task_name(TASK_CHAT), "chat");
    ck_assert_uint_eq(task_of("chatx", 5), 0);
    ck_assert_uint_eq(task_of("chatx", 4), TASK_CHAT);
    ck_assert_uint_eq(task_of("", 0), 0);
    ck_assert_str_eq(task_name((enum task_bit)0), "unknown");
    ck_assert_str_eq(task_name((enum task_bit)(TASK_RERANK << 1)), "unknown");
    ck_assert_uint_eq(model_set_of(&model_features, "vision", 6), FEATURE_VISION);
}
END_TEST

Suite *test_model(void);
Suite *test_model(void)
{
    Suite *s = suite_create("test_model");
    TCase *tc = tcase_create("model");

    tcase_add_loop_test(tc, every_task_has_exactly_one_default_that_can_do_it, 0,
                        (int)ARRAY_LEN(all_tasks));
    tcase_add_test(tc, built_in_rows_are_distinct_and_sane);
    tcase_add_test(tc, a_model_is_found_by_its_whole_id);
    tcase_add_test(tc, tasks_have_names);
    suite_add_tcase(s, tc);
    return s;
}
