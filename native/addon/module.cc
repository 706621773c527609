/*
 * Registration. NAPI_MODULE_INIT makes the addon context-aware: it runs once per worker, and everything per worker is in `worker`.
 */
#include "addon.h"
#include "exports.h"

thread_local Worker worker;

/* The worker ends: its references die with the environment, its epoll set must not stay open. */
static void cleanup(void *data)
{
	endpoint_release(static_cast<napi_env>(data));
	worker.scratch = nullptr;
	worker.scratch_len = 0;
	worker.scratch_ref = nullptr;
}

NAPI_MODULE_INIT()
{
#define CARRICK_DESCRIBE(name) \
	{ #name, nullptr, js_##name, nullptr, nullptr, nullptr, napi_enumerable, nullptr },
	static const napi_property_descriptor all[] = { CARRICK_EXPORTS(CARRICK_DESCRIBE) };

	if (napi_define_properties(env, exports, sizeof(all) / sizeof(all[0]), all) != napi_ok)
		return nullptr;
	napi_add_env_cleanup_hook(env, cleanup, env);
	return exports;
}
