/*
 * Every function that JavaScript sees, one line each: the name in index.d.ts. module.cc registers them, the other files define them.
 */
#ifndef CARRICK_EXPORTS_H
#define CARRICK_EXPORTS_H

#include <node_api.h>

#define CARRICK_EXPORTS(X) \
	X(sys) X(setScratch) X(scratchAddress) \
	X(readMemory) X(writeMemory) X(pokeMemory) X(readString) \
	X(endpointInit) X(replyAndWait) X(replyNow) X(expectSlot) X(revisitSlot) X(flushReplies) X(watchFd) X(ringDoorbell) X(createDoorbells) X(doorbellFd) \
	X(areaAlloc) X(areaFree) X(areaFd) X(pctxInit) X(pctxFree) X(pctxAlloc) X(slotAlloc) X(slotFree) X(slotBind) X(slotUnborn) \
	X(slotLoad) X(slotStore) X(slotWake) X(pctxLoad) X(pctxStore) X(pctxTell) X(pctxSwap) X(slotOr64) X(pendProc) X(pendTask) \
	X(sigDeliverable) X(planWrite) X(planRead) \
	X(procBind) X(procFree) X(hostPid) X(hostTid) X(killProcess) X(kickTask) \
	X(ctlPair) X(lastFd) X(ctlSend) X(ctlStart) X(ctlReceivePidfd) X(pidfdByNumber) X(hintSet) X(hintGet) \
	X(namesFd) X(namesStore) X(namesLoad) \
	X(stubFd) X(spawn) X(reapSpawned) X(namespacesGot) X(spawnedNsPid) X(guestSocket) X(probeHost) \
	X(perfOpen) X(perfRead)

#define CARRICK_DECLARE(name) napi_value js_##name(napi_env env, napi_callback_info info);
CARRICK_EXPORTS(CARRICK_DECLARE)
#undef CARRICK_DECLARE

#endif
