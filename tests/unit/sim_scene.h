/* sim_scene.h - whole requests through the simulator, without a socket. */
#ifndef FLOTILLA_TESTS_SIM_SCENE_H
#define FLOTILLA_TESTS_SIM_SCENE_H

#include <check.h>

#include "common/core/json.h"
#include "tests/sim/sim.h"

/* Members of a request; CHAT is its path. */
#define BIG   "\"model\":\"Qwen/Qwen3.5-9B\""
#define OSS   "\"model\":\"openai/gpt-oss-20b\""
#define LLAMA "\"model\":\"meta-llama/Llama-3.3-70B-Instruct-Turbo\""
#define HI    "\"messages\":[{\"role\":\"user\",\"content\":\"Hi there\"}]"
#define CHAT  "/v1/chat/completions"

/* Checked fixtures: a simulator as it starts, and one call of it. */
void sim_scene_open(void);
void sim_scene_close(void);
extern struct sim sim;
extern struct sim_call call;

/* Send it, get the body (good until the next); the ledger is closed as delivered. */
struct span sim_request(const char *method, const char *path, const char *headers,
                        const char *body);
struct span sim_post(const char *path, const char *body);

/* What is at a path of an answer; fails the test when it is not there, or another text. */
int64_t number_at(struct span doc, const char *path);
void check_text_at(struct span doc, const char *path, const char *text);

#endif
