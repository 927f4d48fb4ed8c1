#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/yaml.h"
#include "common/core/buf.h"

static bool parse(const char *text, struct yaml_tree *ret, struct err *err)
{
    return yaml_tree_parse("f.yaml", text, strlen(text), ret, err);
}

START_TEST(a_document_becomes_a_tree_with_lines)
{
    struct yaml_tree t;
    struct err err = {0};
    const struct yaml_tree *groups;

    ck_assert_msg(
        parse("# first\na: 1\nlist:\n  - x\n  - {k: v, \"q\": 'w'}\n\nlast: |\n  two\n", &t, &err),
        "%s", err.msg);
    ck_assert_int_eq(t.kind, YAML_MAP);
    ck_assert_uint_eq(t.count, 3);
    ck_assert_str_eq(yaml_tree_get(&t, "a")->text, "1");
    ck_assert_int_eq(yaml_tree_get(&t, "a")->line, 2);
    groups = yaml_tree_get(&t, "list");
    ck_assert_int_eq(groups->kind, YAML_LIST);
    ck_assert_int_eq(groups->line, 3);
    ck_assert_uint_eq(groups->count, 2);
    ck_assert_ptr_null(groups->items[0].key);
    ck_assert_int_eq(groups->items[0].line, 4);
    ck_assert_int_eq(groups->items[1].line, 5);
    ck_assert_str_eq(yaml_tree_get(&groups->items[1], "q")->text, "w");
    ck_assert_str_eq(yaml_tree_get(&t, "last")->text, "two\n");
    ck_assert_ptr_null(yaml_tree_get(&t, "none"));
    ck_assert_ptr_null(yaml_tree_get(groups, "k"));
    yaml_tree_done(&t);
}
END_TEST

static const struct {
    const char *value;
    enum yaml_kind kind;
} scalars[] = {
    {"", YAML_NULL},      {"~", YAML_NULL},     {"null", YAML_NULL}, {"NULL", YAML_NULL},
    {"\"\"", YAML_TEXT},  {"'~'", YAML_TEXT},   {"yes", YAML_TEXT},  {"012", YAML_TEXT},
    {"12:30", YAML_TEXT}, {"nullx", YAML_TEXT}, {"[]", YAML_LIST},   {"{}", YAML_MAP},
};

START_TEST(only_an_unquoted_nothing_is_null)
{
    struct yaml_tree t;
    struct err err = {0};
    char text[64];

    snprintf(text, sizeof(text), "k: %s\n", scalars[_i].value);
    ck_assert_msg(parse(text, &t, &err), "%s", err.msg);
    ck_assert_msg(t.items[0].kind == scalars[_i].kind, "row %d: %s", _i, scalars[_i].value);
    yaml_tree_done(&t);
}
END_TEST

static const struct {
    const char *text, *says;
} bad[] = {
    {"a: &x 1\nb: *x\n", "f.yaml:1: an anchor (&name); write the value out where it is needed"},
    {"a: [1]\nb: *x\n", "f.yaml:2: an alias (*name); write the value out"},
    {"a: 1\n&k b: 2\n", "f.yaml:2: an anchor (&name); write the value out where it is needed"},
    {"a: 1\nb: 2\na: 3\n", "f.yaml:3: 'a' is given twice; first on line 1"},
    {"a:\n  x: 1\n  y: 2\n  \"x\": 3\n", "f.yaml:4: 'x' is given twice; first on line 2"},
    {"a: {b: 1, b: 2}\n", "f.yaml:1: 'b' is given twice; first on line 1"},
    {"a: !!int 5\n", "f.yaml:1: a tag (!name); values are typed by their setting"},
    {"a: !mine {b: 1}\n", "f.yaml:1: a tag (!name); values are typed by their setting"},
    {"a: 1\n---\nb: 2\n", "f.yaml:2: a second document; a configuration is one"},
    {"? [a, b]\n: 1\n", "f.yaml:1: a key that is a map or a list"},
    {"a: \"x\\0y\"\n", "f.yaml:1: a NUL character"},
    {"\"a\\0\": 1\n", "f.yaml:1: a NUL character"},
    {"a: 1\nb: \xff\xfe\n", "f.yaml:2: not a UTF-8 text: invalid leading UTF-8 octet"},
    {"a: 1\nb: \x01\n", "f.yaml:2: not a UTF-8 text: control characters are not allowed"},
    {"\xff\xfe"
     "a",
     "f.yaml:1: not a UTF-8 text: invalid leading UTF-8 octet"},
    {"a:\n\tb: 1\n", "f.yaml:2: not valid YAML: a tab cannot indent; use blanks"},
    {"a: [1, 2\n", "f.yaml:2: not valid YAML: while parsing a flow sequence: did not find expected "
                   "',' or ']'"},
    {"a: 'x\n", "f.yaml:2: not valid YAML: while scanning a quoted scalar: found unexpected end of "
                "stream"},
    {"a: 1\n b: 2\n", "f.yaml:2: not valid YAML: mapping values are not allowed in this context"},
};

START_TEST(refuses_what_has_no_place_in_a_configuration_and_says_where)
{
    struct yaml_tree t = {.line = 77};
    struct err err = {0};

    ck_assert_msg(!parse(bad[_i].text, &t, &err), "row %d was accepted", _i);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_str_eq(err.msg, bad[_i].says);
    ck_assert_int_eq(t.line, 77);
}
END_TEST

START_TEST(depth_is_limited)
{
    char text[128];
    struct yaml_tree t;
    struct err err = {0};

    for (int depth = 31; depth <= 34; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        text[(ptrdiff_t)2 * depth] = 0;
        /* depth - 1 lists inside the outermost */
        if (depth <= YAML_MAX_DEPTH + 1) {
            ck_assert_msg(parse(text, &t, &err), "depth %d: %s", depth, err.msg);
            yaml_tree_done(&t);
        } else {
            ck_assert(!parse(text, &t, &err));
            ck_assert_str_eq(err.msg, "f.yaml:1: nested deeper than 32 levels");
        }
    }
}
END_TEST

START_TEST(members_are_limited)
{
    struct buf b = BUF(1 << 20);
    struct yaml_tree t;
    struct err err = {0};

    for (int n = YAML_MAX_MEMBERS; n <= YAML_MAX_MEMBERS + 1; n++) {
        buf_clear(&b);
        for (int i = 0; i < n; i++)
            buf_printf(&b, "k%d: 1\n", i);
        if (n == YAML_MAX_MEMBERS) {
            ck_assert(yaml_tree_parse("f.yaml", b.p, b.n, &t, &err));
            yaml_tree_done(&t);
        } else {
            ck_assert(!yaml_tree_parse("f.yaml", b.p, b.n, &t, &err));
            ck_assert_str_eq(err.msg, "f.yaml:1001: a map of more than 1000 members");
        }
        buf_clear(&b);
        for (int i = 0; i < n; i++)
            buf_puts(&b, "- 1\n");
        ck_assert(yaml_tree_parse("f.yaml", b.p, b.n, &t, &err) == (n == YAML_MAX_MEMBERS));
        if (n == YAML_MAX_MEMBERS)
            yaml_tree_done(&t);
    }
    buf_done(&b);
}
END_TEST

START_TEST(nothing_and_a_byte_order_mark_are_fine)
{
    static const char *const texts[] = {"", "\n", "# only\n", "---\n", "\xef\xbb\xbf"};
    struct yaml_tree t;
    struct err err = {0};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        ck_assert_msg(parse(texts[i], &t, &err), "%zu: %s", i, err.msg);
        ck_assert_int_eq(t.kind, YAML_NULL);
        yaml_tree_done(&t);
    }
    ck_assert_msg(parse("\xef\xbb\xbf"
                        "a: \xc3\xa9\n",
                        &t, &err),
                  "%s", err.msg);
    ck_assert_str_eq(yaml_tree_get(&t, "a")->text, "\xc3\xa9");
    yaml_tree_done(&t);
}
END_TEST

Suite *test_yaml(void);
Suite *test_yaml(void)
{
    Suite *s = suite_create("test_yaml");
    TCase *tc = tcase_create("yaml");

    tcase_add_test(tc, a_document_becomes_a_tree_with_lines);
    tcase_add_loop_test(tc, only_an_unquoted_nothing_is_null, 0, (int)ARRAY_LEN(scalars));
    tcase_add_loop_test(tc, refuses_what_has_no_place_in_a_configuration_and_says_where, 0,
                        (int)ARRAY_LEN(bad));
    tcase_add_test(tc, depth_is_limited);
    tcase_add_test(tc, members_are_limited);
    tcase_add_test(tc, nothing_and_a_byte_order_mark_are_fine);
    suite_add_tcase(s, tc);
    return s;
}
