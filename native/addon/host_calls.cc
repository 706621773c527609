/*
 * Host system calls for TypeScript, and the scratch memory they work on.
 *
 * Scratch is a JavaScript buffer handed down once per worker; a strong reference keeps it, and its address never changes (its ArrayBuffer
 * is never transferred). Calls name places in it by offset.
 */
#include "addon.h"
#include "exports.h"

napi_value js_setScratch(napi_env env, napi_callback_info info)
{
	Args<1> a(env, info);
	napi_typedarray_type type;
	size_t len = 0;
	void *data = nullptr;
	napi_ref ref = nullptr;

	/* Works on SharedArrayBuffers too: Node-API hands out the view's memory without asking what kind of buffer it is. */
	if (napi_get_typedarray_info(env, a.v[0], &type, &len, &data, nullptr, nullptr) != napi_ok ||
	    type != napi_uint8_array || data == nullptr)
		return num(env, -EINVAL);
	if (napi_create_reference(env, a.v[0], 1, &ref) != napi_ok)
		return num(env, -ENOMEM);
	if (worker.scratch_ref != nullptr)
		napi_delete_reference(env, worker.scratch_ref);
	worker.scratch_ref = ref;
	worker.scratch = static_cast<uint8_t *>(data);
	worker.scratch_len = len;
	return num(env, 0);
}

/* For structs that hold pointers (iovec, msghdr): the address of scratch byte 0, below 2^53. */
napi_value js_scratchAddress(napi_env env, napi_callback_info)
{
	return num(env, static_cast<int64_t>(reinterpret_cast<uintptr_t>(worker.scratch)));
}

napi_value js_sys(napi_env env, napi_callback_info info)
{
	napi_value v[8];
	size_t n = 8;
	int64_t nr = -1;
	uint32_t mask = 0;
	int64_t x[6] = { 0, 0, 0, 0, 0, 0 };

	napi_get_cb_info(env, info, &n, v, nullptr, nullptr);
	if (n < 2)
		return num(env, -EINVAL);
	if (n > 8)
		n = 8;
	napi_get_value_int64(env, v[0], &nr);
	napi_get_value_uint32(env, v[1], &mask);
	for (size_t i = 2; i < n; i++)
		napi_get_value_int64(env, v[i], &x[i - 2]);
	for (uint32_t m = mask & 63; m != 0; m &= m - 1) {
		int i = __builtin_ctz(m);

		if (x[i] < 0 || static_cast<uint64_t>(x[i]) >= worker.scratch_len)
			return num(env, -EFAULT);
		x[i] += static_cast<int64_t>(reinterpret_cast<uintptr_t>(worker.scratch));
	}
	return num(env, ret_errno(syscall(nr, x[0], x[1], x[2], x[3], x[4], x[5])));
}
