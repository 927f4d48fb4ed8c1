/* config_fallbacks.c - what is tried when the model that a job names has failed.
 *
 *     routing:
 *       fallbacks:
 *         - task: chat
 *           models: [maker/one, maker/other]
 *
 * They are used when neither the job nor its model has fallbacks of its own.
 */
#include "common/config/config_parts.h"

#include <string.h>

static const char *const fields[] = {"task", "models"};

static bool read_item(struct config_load *l, size_t i, unsigned *seen, struct err *err)
{
    struct config_item it;
    struct model_ids *ids;
    const char *task = NULL;
    char got[CONFIG_QUOTED];
    unsigned bit;

    if (!item_open(&it, l, LIST_FALLBACKS, i, fields, ARRAY_LEN(fields), err) ||
        !item_text(&it, "task", &task))
        return false;
    bit = task ? task_of(task, strlen(task)) : 0;
    if (!task || !yaml_tree_get(it.node, "models"))
        return item_fail(&it, NULL, "expected a task and models");
    if (!bit)
        return item_fail(&it, "task",
                         "expected chat, completion, code, embedding, image or rerank; got %s",
                         config_quote(task, got));
    if (*seen & bit)
        return item_fail(&it, "task", "'%s' is given twice", task);
    *seen |= bit;
    ids = &l->cfg->fallbacks[task_index((enum task_bit)bit)];
    return item_ids(&it, "models", ids) && config_check_ids(&it, "models", ids);
}

bool config_read_fallbacks(struct config_load *l, struct err *err)
{
    const struct yaml_tree *list = l->lists[LIST_FALLBACKS];
    unsigned seen = 0;

    for (size_t i = 0; list && i < list->count; i++)
        if (!read_item(l, i, &seen, err))
            return false;
    return true;
}
