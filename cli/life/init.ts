/** `--init`: native/init/init.c as the container's first process, shown as a file of its /dev, which leaves no trace in the writable layer. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { RunSpec } from '../../shared/spec.js';
import { toBytes } from '../bytes.js';
import { addonPath } from '../addon.js';
import { Failure } from '../failure.js';

const TARGET = '/dev/carrick-init';

export function withInit(spec: RunSpec): RunSpec {
  const path = join(addonPath(), '../../init');
  if (!existsSync(path)) throw new Failure('the init program is missing; build it with: npm run build:native');
  return { ...spec, binds: [...spec.binds, { source: toBytes(path), target: TARGET, readOnly: true }], argv: [TARGET, ...spec.argv] };
}
