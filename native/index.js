/**
 * The package's entry for programs that import it by name. The workers load build/Release/carrick.node by path (shared/native.ts); both are the
 * same addon, whose state is the process's. The stub is looked for beside it, as build/stub.
 */
import { createRequire } from 'node:module';

/** @type {typeof import('./index.js')} */
const addon = createRequire(import.meta.url)('./build/Release/carrick.node');

export const {
  sys, setScratch, scratchAddress,
  readMemory, writeMemory, readString,
  endpointInit, replyAndWait, replyNow, watchFd, ringDoorbell, createDoorbells, doorbellFd,
  areaAlloc, areaFree, areaFd, pctxInit, pctxFree, pctxAlloc, slotAlloc, slotFree, slotBind,
  slotLoad, slotStore, slotWake, pctxLoad, pctxStore, slotOr64, slotClear64, pctxOr64, pctxClear64,
  sigDeliverable, planWrite, planRead,
  procBind, procFree, hostPid, hostTid, killProcess, kickTask,
  ctlPair, lastFd, ctlSend, ctlReceiveFd, hintSet, hintGet,
  stubFd, spawn, reapSpawned, namespacesGot, spawnedNsPid, probeHost,
} = addon;
