/**
 * Does the host leave its own return addresses on the processor's stack of them when a system call ends? Kernels that guard against speculative return stack overflow do
 * ("Safe RET"). Source: Documentation/admin-guide/hw-vuln/srso.rst. What that costs, and what the stub does about it: decision 0025.
 */
import { readFileSync } from 'node:fs';

const STATE = '/sys/devices/system/cpu/vulnerabilities/spec_rstack_overflow';

/** state: where the host tells. */
export function returnsAreLost(state = STATE): boolean {
  try {
    return readFileSync(state, 'latin1').includes('Safe RET');
  } catch (error) {
    // Kernels before 6.5 do not tell, nor does a /sys that is hidden: then nothing is done about it.
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}
